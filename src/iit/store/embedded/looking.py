"""Looking at the private server without starting, making or changing anything."""

from pathlib import Path
from urllib.parse import quote

from iit.store.embedded.cluster import APPLICATION_ROLE, DATABASE, OWNER_ROLE, ClusterUrls
from iit.store.embedded.exchange import home_of
from iit.store.embedded.places import password_file, root_of, socket_folder_of


def urls_if_running(data_dir: Path) -> ClusterUrls | None:
    """Return how to reach the private server of a data folder; None where it does not run or its files are not ours."""
    home = home_of(data_dir)
    try:
        if not (home / "data" / "postmaster.pid").exists():
            return None
        words = {
            role: password_file(root_of(data_dir), role).read_text(encoding="ascii").strip()
            for role in (OWNER_ROLE, APPLICATION_ROLE)
        }
    except OSError:
        return None
    place = quote(str(socket_folder_of(home / "run")))
    owner, app = (
        f"postgresql+psycopg://{role}:{words[role]}@/{DATABASE}?host={place}" for role in (OWNER_ROLE, APPLICATION_ROLE)
    )
    return ClusterUrls(owner, app)
