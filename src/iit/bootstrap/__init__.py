"""The one place where the parts are chosen, put together and given the present time."""

from iit.bootstrap.secrets import audit_keys
from iit.bootstrap.serving import Service, assemble, database_urls, service

__all__ = ["Service", "assemble", "audit_keys", "database_urls", "service"]
