"""`/config`: what the gateway's file says, and having it read anew."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

from syncflow_pipelines.config.gateway_file import examine_gateway, load_gateway
from syncflow_pipelines.errors import ConfigurationError
from syncflow_pipelines.gateway.control.dependencies import ADMITTED, EVERYWHERE, TheGateway
from syncflow_pipelines.gateway.control.describing import breaker_settings, endpoint_settings
from syncflow_pipelines.gateway.control.documents import (
    ConfigStatus,
    ConfiguredEndpoints,
    HealthCheckSettings,
    ReloadDocument,
    Reloaded,
    Validation,
)
from syncflow_pipelines.gateway.control.registry import synced
from syncflow_pipelines.gateway.gateway import Gateway, ReloadAttempt

router = APIRouter(prefix="/config", tags=["config"], dependencies=ADMITTED, responses=EVERYWHERE)


@router.get("/status", operation_id="getConfigStatus")
async def get_config_status(gateway: TheGateway) -> ConfigStatus:
    """Show which file is in force, whether it has changed since, and what came of the last reload."""
    config, health = gateway.config, gateway.config.health
    return ConfigStatus(
        path=str(gateway.path),
        exists=await asyncio.to_thread(gateway.path.is_file),
        digest=config.digest,
        loaded_at=gateway.loaded_at,
        endpoints=len(config.endpoints),
        log_level=gateway.serving.log_level or config.log_level or gateway.settings.log_level,
        is_stale=await asyncio.to_thread(_is_stale, gateway),
        last_reload=_attempt(gateway.last_reload),
        health_check=HealthCheckSettings(
            enabled=health.enabled,
            interval=health.interval_s,
            timeout=health.timeout_s,
            unhealthy_threshold=health.unhealthy_threshold,
            healthy_threshold=health.healthy_threshold,
        ),
        circuit_breaker=breaker_settings(config.breaker),
    )


@router.post("/reload", operation_id="reloadConfig")
async def reload_config(gateway: TheGateway) -> Reloaded:
    """Read the file anew and go by it, all of it or, where there is a mistake, nothing. SIGHUP does the same."""
    before = gateway.config.digest
    report = await gateway.reload()
    return Reloaded(
        **synced(report, len(gateway.registry.endpoints())).model_dump(),
        digest=gateway.config.digest,
        is_other=gateway.config.digest != before,
    )


@router.get("/endpoints", operation_id="listConfiguredEndpoints")
async def list_configured_endpoints(gateway: TheGateway) -> ConfiguredEndpoints:
    """List the endpoints of the file as it is in force; `/registry/endpoints` lists all there are."""
    endpoints = [endpoint_settings(one) for one in gateway.config.endpoints]
    return ConfiguredEndpoints(path=str(gateway.path), endpoints=endpoints, total=len(endpoints))


@router.post("/validate", operation_id="validateConfig")
async def validate_config(
    gateway: TheGateway,
    config_path: Annotated[
        str | None,
        Query(
            description="A YAML file below the project's folder; by default the one that is read.",
            examples=["config/config.yaml"],
            min_length=1,
            max_length=1000,
        ),
    ] = None,
) -> Validation:
    """Look for mistakes in a file, without putting it in force."""
    found = await asyncio.to_thread(examine_gateway, config_path or gateway.path, gateway.settings)
    endpoints = len(found.config.endpoints) if found.config else 0
    return Validation(
        path=str(found.path), valid=found.config is not None, endpoints=endpoints, mistakes=list(found.mistakes)
    )


def _is_stale(gateway: Gateway) -> bool:
    try:
        return load_gateway(gateway.settings, gateway.serving.config_path).digest != gateway.config.digest
    except ConfigurationError:
        return True


def _attempt(attempt: ReloadAttempt | None) -> ReloadDocument | None:
    if attempt is None:
        return None
    error = attempt.error
    return ReloadDocument(
        at=attempt.at,
        succeeded=error is None,
        detail=error.message if error else None,
        mistakes=list(error.mistakes) if error else [],
    )
