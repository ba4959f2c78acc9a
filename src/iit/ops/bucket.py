"""A bucket of S3, or of anything that speaks like it."""

import re
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from iit.domain.errors import NotFound, Unavailable
from iit.ops.objects import Stored


class Bucket:
    """Files below a prefix of a bucket. Credentials and region come from the environment as boto3 reads them."""

    def __init__(self, bucket: str, prefix: str, *, endpoint: str | None) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        options = Config(retries={"mode": "standard", "max_attempts": 4}, connect_timeout=10, read_timeout=60)
        self._s3 = boto3.session.Session().client("s3", endpoint_url=endpoint, config=options)

    def __str__(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def put(self, name: str, path: Path) -> None:
        """Upload a file; large ones in parts that appear together."""
        try:
            self._s3.upload_file(
                str(path), self._bucket, self._prefix + name, ExtraArgs={"ChecksumAlgorithm": "SHA256"}
            )
        except (Boto3Error, BotoCoreError, ClientError) as cause:
            raise self._failure(f"{name} cannot be stored", cause) from cause

    def get(self, name: str, path: Path) -> None:
        """Download a file."""
        try:
            self._s3.download_file(self._bucket, self._prefix + name, str(path))
        except ClientError as cause:
            if _code(cause) in ("404", "NoSuchKey"):
                raise NotFound(f"there is no {name}", place=f"backup target {self}") from cause
            raise self._failure(f"{name} cannot be fetched", cause) from cause
        except (Boto3Error, BotoCoreError) as cause:
            raise self._failure(f"{name} cannot be fetched", cause) from cause

    def listing(self, prefix: str = "") -> list[Stored]:
        """Return the files below a prefix."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix + prefix)
        try:
            found: list[dict[str, Any]] = [one for page in pages for one in page.get("Contents", [])]
        except (BotoCoreError, ClientError) as cause:
            raise self._failure("it cannot be listed", cause) from cause
        return sorted(Stored(one["Key"].removeprefix(self._prefix), one["Size"]) for one in found)

    def remove(self, name: str) -> None:
        """Remove a file."""
        try:
            self._s3.delete_object(Bucket=self._bucket, Key=self._prefix + name)
        except (BotoCoreError, ClientError) as cause:
            raise self._failure(f"{name} cannot be removed", cause) from cause

    def _failure(self, what: str, cause: Exception) -> Unavailable:
        told = re.search(r"An error occurred \((\w+)\)", str(cause))
        reason = told[1] if told else type(cause).__name__
        return Unavailable(f"{what}: {reason}", place=f"backup target {self}")


def _code(cause: ClientError) -> str:
    return str(cause.response.get("Error", {}).get("Code", "refused"))
