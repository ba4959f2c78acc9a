"""The one place where the parts are chosen, put together and given the present time."""

from iit.bootstrap.serving import Service, assemble, audit_keys, database_urls, service

__all__ = ["Service", "assemble", "audit_keys", "database_urls", "service"]
