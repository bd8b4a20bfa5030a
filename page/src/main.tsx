import { render } from "preact";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/parts.css";
import "./styles/shell.css";
import "./styles/find.css";
import "./styles/see.css";
import "./styles/fetch.css";
import "./styles/share.css";
import "./styles/know.css";
import { startLive } from "./live";
import { Shell } from "./shell";

startLive();
const page = document.getElementById("page");
if (page) render(<Shell />, page);
