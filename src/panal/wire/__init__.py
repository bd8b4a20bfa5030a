"""The ground that both sides share: ids, names, manifests, formats on the wire; all pure."""
