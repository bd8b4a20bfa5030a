"""The JSON of the API, as structs: their field names are the contract."""

from panal.answers.downloads import (
    DownloadAnswer,
    DownloadsAnswer,
    PlanAnswer,
    SourceAnswer,
    UnfinishedAnswer,
    UnfinishedFilesAnswer,
)
from panal.answers.found import (
    BrowseAnswer,
    FileItemAnswer,
    FolderItemAnswer,
    HitInfo,
    NameInfo,
    PeerAnswer,
    PeersAnswer,
    SearchAnswer,
)
from panal.answers.links import (
    GuestLinkAnswer,
    GuestLinksAnswer,
    LinkAnswer,
    QrAnswer,
)
from panal.answers.sharing import (
    AddedAnswer,
    FileAnswer,
    FilesAnswer,
    FolderAnswer,
    RootAnswer,
    VerifyAnswer,
    VerifyProgress,
)
from panal.answers.status import (
    DiskAnswer,
    LogAnswer,
    NetworkAnswer,
    PageLink,
    SettingsAnswer,
    StatusAnswer,
)
from panal.answers.why import (
    WhyAnswer,
    WhyContent,
    WhySource,
)

__all__ = [
    "AddedAnswer",
    "BrowseAnswer",
    "DiskAnswer",
    "DownloadAnswer",
    "DownloadsAnswer",
    "FileAnswer",
    "FileItemAnswer",
    "FilesAnswer",
    "FolderAnswer",
    "FolderItemAnswer",
    "GuestLinkAnswer",
    "GuestLinksAnswer",
    "HitInfo",
    "LinkAnswer",
    "LogAnswer",
    "NameInfo",
    "NetworkAnswer",
    "PageLink",
    "PeerAnswer",
    "PeersAnswer",
    "PlanAnswer",
    "QrAnswer",
    "RootAnswer",
    "SearchAnswer",
    "SettingsAnswer",
    "SourceAnswer",
    "StatusAnswer",
    "UnfinishedAnswer",
    "UnfinishedFilesAnswer",
    "VerifyAnswer",
    "VerifyProgress",
    "WhyAnswer",
    "WhyContent",
    "WhySource",
]
