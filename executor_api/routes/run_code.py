"""SandboxFusion's endpoints, for clients written against it: verl, ``sandbox-fusion`` and others.

``/run_code`` runs programs; the others answer, in a form their callers report, that they are not
served here.
"""

from fastapi import APIRouter, HTTPException, Request, Response

from executor_api.body import parse
from executor_api.execution import Executor
from executor_api.fusion import (
    RunCodeRequest,
    RunCodeResponse,
    Unservable,
    refusal,
    respond,
    submit,
)
from executor_api.routes.common import ERRORS, UNAUTHENTICATED, Key, refusals, while_connected

router = APIRouter(tags=["sandbox-fusion"])

_SCHEMA = RunCodeRequest.model_json_schema()
_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": _SCHEMA}}}}
_UNSERVED = (
    *("/submit", "/get_prompts", "/get_prompt_by_id", "/list_datasets", "/list_ids"),
    *("/get_metrics", "/get_metrics_function"),
)
_INSTEAD = "this service runs programs (/run_code) and judges them (/execute)"


@router.post("/run_code", response_model=RunCodeResponse, responses=ERRORS, openapi_extra=_BODY)
async def run_code(request: Request, key: Key) -> Response:
    """Run one program on one input: SandboxFusion's request and response.

    `status` is `Success` where everything ended with return code 0, `Failed` where the program
    or its compilation did not, `SandboxError` where this service cannot tell, with the reason in
    `message`. Nothing is judged: `/execute` compares with expected outputs.
    """
    executor: Executor = request.app.state.executor
    maxima = request.app.state.settings.maxima
    with refusals(request):
        executor.scheduler.check(key)
        body = await parse(request, key, RunCodeRequest)
        request.state.programs = 1
        try:
            job, language = await submit(executor, key, body, maxima)
        except Unservable as error:
            return _json(refusal(str(error)))
        try:
            response = await while_connected(request, respond(job, language))
        finally:
            job.done.cancel()
    return Response(status_code=499) if response is None else _json(response)


def _json(response: RunCodeResponse) -> Response:
    return Response(response.model_dump_json(), media_type="application/json")


@router.post("/run_jupyter", responses=UNAUTHENTICATED)
async def run_jupyter(key: Key) -> RunCodeResponse:
    """Not served: there are no notebooks here."""
    return refusal(f"/run_jupyter is not served: {_INSTEAD}")


@router.get("/v1/ping")
async def ping() -> str:
    """The process is up, as SandboxFusion says it."""
    return "pong"


async def _unserved(request: Request, key: Key) -> None:
    """Not served: SandboxFusion's data sets are not here."""
    raise HTTPException(501, f"{request.url.path} is not served: {_INSTEAD}")


for path in _UNSERVED:
    router.add_api_route(path, _unserved, methods=["POST"], include_in_schema=False)
