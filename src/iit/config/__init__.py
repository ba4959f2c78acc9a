"""Settings: environment variables with the prefix IIT_, checked all at once before anything starts."""

from iit.config.reading import SECRET_SETTINGS, load_settings, setting_problems
from iit.config.settings import RETIRED, Settings

__all__ = ["RETIRED", "SECRET_SETTINGS", "Settings", "load_settings", "setting_problems"]
