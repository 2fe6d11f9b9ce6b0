"""What a client of the Model Context Protocol is told, and what its calls do."""

from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from rag_api import __version__
from rag_api.errors import RagError
from rag_api.telemetry import log
from rag_api.web import mcp_resources
from rag_api.web.mcp_tools import TOOLS, AnswerFailed, Context, who_asks
from rag_api.wiring import Services

NAMED = 50  # collections that a tool's description names
INSTRUCTIONS = (
    "Documents of this server. `ask` gives an answer with citations, `search` the passages themselves, `get_document` "
    "the text around them."
)
READING = types.ToolAnnotations(read_only_hint=True, open_world_hint=False)


def make_server(services: Services) -> Server[Any]:
    async def list_tools(context: Context, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        names = [row.name async for row in mcp_resources.collections(services, who_asks(context))]
        return types.ListToolsResult(tools=[_tool(name, names) for name in TOOLS])

    async def call_tool(context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        return await _call(services, params, context)

    async def list_resources(
        context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        try:
            return await mcp_resources.list_documents(services, params.cursor if params else None, who_asks(context))
        except RagError as error:
            raise MCPError(types.INVALID_PARAMS, str(error), {"code": error.code}) from error

    async def list_templates(_: Context, __: types.PaginatedRequestParams | None) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=[mcp_resources.TEMPLATE])

    async def read_resource(context: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        return await mcp_resources.read(services, str(params.uri), who_asks(context))

    return Server(
        "rag-api",
        version=__version__,
        title="Documents",
        instructions=INSTRUCTIONS,
        get_tool_input_schema=lambda name: _input_schema(name, []) if name in TOOLS else None,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
    )


def _tool(name: str, collections: list[str]) -> types.Tool:
    kind = TOOLS[name]
    return types.Tool(
        name=name,
        title=kind.title,
        description=kind.description,
        input_schema=_input_schema(name, collections),
        output_schema=kind.gives.model_json_schema(mode="serialization"),
        annotations=READING,
    )


def _input_schema(name: str, collections: list[str]) -> dict[str, Any]:
    schema = TOOLS[name].takes.model_json_schema()
    if collections:
        more = ", …" if len(collections) > NAMED else ""
        said = f"the collection's name; there are: {', '.join(collections[:NAMED])}{more}"
        schema["properties"]["collection"]["description"] = said
    return schema


async def _call(services: Services, params: types.CallToolRequestParams, context: Context) -> types.CallToolResult:
    """What goes wrong in a tool is its result, so that the language model that called it can do better."""
    kind = TOOLS.get(params.name)
    if not kind:
        raise MCPError(types.INVALID_PARAMS, f"there is no tool {params.name!r}, but {', '.join(TOOLS)}")
    try:
        result = await kind.call(services, kind.takes.model_validate(params.arguments or {}), context)
    except ValidationError as error:
        return _failed("validation_error", "; ".join(_problem(problem) for problem in error.errors()[:3]))
    except (RagError, AnswerFailed) as error:
        return _failed(error.code, str(error))
    except Exception:  # noqa: BLE001 - the log says what; the client must not
        log(__name__).exception("tool failed", tool=params.name)
        return _failed("internal_error", "something went wrong inside; the log says what")
    text = types.TextContent(text=result.text)
    return types.CallToolResult(content=[text], structured_content=result.value.model_dump(mode="json"))


def _problem(problem: Any) -> str:
    return f"{'.'.join(str(part) for part in problem['loc']) or 'arguments'}: {problem['msg']}"


def _failed(code: str, message: str) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(text=f"{code}: {message}")],
        structured_content={"error": {"code": code, "message": message}},
        is_error=True,
    )
