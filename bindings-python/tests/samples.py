"""One value of every class, with every field filled."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import tertulia as t

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
OTHER_ID = "01890a5d-ac96-774b-bcce-b302099a8058"
MOMENT = datetime(2026, 11, 21, 9, 30, 0, 250_000, tzinfo=timezone.utc)
HEADER: dict[str, Any] = {"seq": 7, "turn_id": ID, "part_index": 2}
RUN_HEADER: dict[str, Any] = {"seq": 7, "at": MOMENT}

media = t.Media(t.UrlSource("https://x.example/a.pdf"), "application/pdf", name="a.pdf", size_bytes=9)
citation = t.Citation(0, 4, "https://x.example", title="X", quote="four")
call = t.ToolCall(
    "c1", "weather", {"city": "Cádiz", "days": [1, 2.5, None, True]}, provider_executed=True, free_text=True
)
result = t.ToolResult("c1", {"temperature": 24}, is_error=True, media=[media])
text = t.TextPart("Hola", citations=[citation])
usage = t.Usage(
    10,
    5,
    cache_read_input_tokens=1,
    cache_creation_input_tokens=2,
    reasoning_output_tokens=3,
    requests=1,
    details={"audio": 4},
    source="reported",
    raw={"prompt_tokens": 10},
)
cost = t.Cost(1_200_000, source="catalogue", price_date="2026-11-21")
attempt = t.Attempt("openai/gpt-5", "rate_limited", status=429, delay_ms=1, duration_ms=2)
budget = t.Budget("user", "ana", window="day", limit={"nano_usd": 5_000_000_000}, warn_at=[0.5, 0.8])
status = t.BudgetStatus(budget, "ana", spent=1, reserved=2, remaining=3, resets_at=MOMENT)
total = t.UsageTotal(
    1,
    input_tokens=2,
    output_tokens=3,
    cache_read_input_tokens=4,
    cache_creation_input_tokens=5,
    reasoning_output_tokens=6,
    nano_usd=7,
    unknown_cost_requests=8,
    estimated_requests=9,
)
row = t.UsageRow("openai/gpt-5", total)
report = t.UsageReport(total, [row], next="openai/gpt-5")
tier_of_users = t.Tier(1, 2, budgets=[budget], models=["lab/*"])
forecast = t.Forecast(
    1, 2, low_nano_usd=3, high_nano_usd=4, confidence=0.9, ends_at=MOMENT, exceeds_at=MOMENT + timedelta(days=1)
)
error = t.ErrorInfo(
    "truncated",
    "cut",
    "the connection closed before the end",
    user_message="The answer broke off.",
    operation="conversation.send",
    retry="safe",
    retry_after_ms=2_500,
    retry_after_source="server",
    saved=True,
    turn_id=ID,
    partial=[text],
    budget=status,
    limit_tokens=1,
    estimated_tokens=2,
    provider="openai",
    model="gpt-5",
    status=200,
    request_id="req_1",
    attempts=[attempt],
)
reply = t.Reply(
    [t.ReasoningPart("hm"), text, t.ToolCallPart(t.ToolCall("c2", "f", {}))],
    "interrupted",
    finish_reason="tool_calls",
    finish_reason_raw="tool_use",
    usage=usage,
    cost=cost,
    provider="openai",
    model="gpt-5",
    conversation_id=ID,
    message_id=ID,
    turn_id=ID,
    request_id="req_1",
    attempts=[attempt],
    latency_ms=900,
    first_token_ms=300,
    from_cache=True,
    continued=True,
    error=error,
    raw={"id": "x"},
)
message = t.Message(
    "assistant",
    [text, t.OpaquePart("anthropic", "signature", attached=True, data={"z": 1, "a": 2})],
    id=ID,
    conversation_id=OTHER_ID,
    turn_id=ID,
    parent_id=ID,
    status="complete",
    created_at=MOMENT,
    model="openai/gpt-5",
    finish_reason="stop",
    usage=usage,
    cost=cost,
    depth=2,
    sibling_index=0,
    sibling_count=1,
    metadata={"screen": "home"},
    version=3,
)
conversation = t.ConversationInfo(
    ID,
    "Cádiz",
    system="Be brief.",
    model="openai/gpt-5",
    metadata={"a": "b"},
    message_count=2,
    last_preview="Hola",
    last_role="assistant",
    head_id=ID,
    depth=2,
    input_tokens=1,
    output_tokens=2,
    cost_nano_usd=3,
    created_at=MOMENT,
    updated_at=MOMENT + timedelta(seconds=1),
    version=4,
    pinned=True,
    archived=True,
    expires_at=MOMENT + timedelta(days=1),
    tags=["trip", "work"],
)
branch = t.Branch(ID, 4, last_role="assistant", last_preview="Hola", created_at=MOMENT, is_current=True)
hit = t.SearchHit(ID, ID, score=1.5, snippet=[t.Span("A "), t.Span("soup", True)], on_current_branch=True)
turn = t.Turn(
    ID,
    "interrupted",
    attempt=1,
    message_id=ID,
    reply_id=ID,
    last_seq=9,
    not_before=MOMENT,
    expires_at=MOMENT,
    error=error,
)
item = t.OutboxItem(
    ID,
    "pending",
    conversation_id=ID,
    reason="breaker_open",
    attempt=2,
    not_before=MOMENT,
    expires_at=MOMENT,
    preview="Three things to see",
)
preferences = t.Preferences("Ana", "pt-BR", time_zone="America/Sao_Paulo", values={"theme": "dark"})
entry = t.LibraryEntry(
    "guide", "Olá {{name}}", kind="prompt", version=3, shared=True, created_at=MOMENT, updated_at=MOMENT
)
library = t.LibraryHealth(3, 1, hit_rate=0.75, coalesced=1, dropped=2, evicted=4, entries=5, bytes=6_000)
tier = t.PriceTier(
    200_000,
    input_nano_usd=2,
    output_nano_usd=3,
    cache_read_nano_usd=4,
    cache_creation_nano_usd=5,
    cache_creation_1h_nano_usd=6,
)
change = t.PriceChange("2027-01-01", from_time="06:00", to_time="10:00", price=t.Price(5, 6))
price = t.Price(
    1,
    2,
    cache_read_nano_usd=3,
    cache_creation_nano_usd=4,
    cache_creation_1h_nano_usd=5,
    input_audio_nano_usd=6,
    cache_read_audio_nano_usd=7,
    output_audio_nano_usd=8,
    output_image_nano_usd=9,
    output_reasoning_nano_usd=10,
    request_nano_usd=11,
    web_search_nano_usd=12,
    tiers=[tier],
    changes=[change],
    date="2026-11-21",
)
capabilities = t.Capabilities(True, False, output_schema=True, reasoning=False, images=True, audio=False, files=True)

sampling = t.Sampling(
    temperature=0.5,
    top_p=0.25,
    seed=1,
    stop_sequences=["END"],
    max_tokens=2,
    frequency_penalty=0.5,
    presence_penalty=-0.5,
)
request_message = t.ChatMessage("user", [text], metadata={"a": "b"})

spread = t.Spread(3, p50=1.5, p95=2.5, p99=2.75, max=3.25)
target_stats = t.TargetStats(
    "openai/gpt-5",
    calls=5,
    succeeded=3,
    cancelled=1,
    errors={"unavailable": 1},
    success_rate=0.75,
    attempts=7,
    retries=2,
    attempt_errors={"rate_limited": 3},
    first_delta_ms=spread,
    duration_ms=spread,
    added_ms=spread,
    delta_gap_ms=spread,
    tokens_per_second=spread,
    queue_wait_ms=spread,
    connection_wait_ms=spread,
    open_streams=1,
    stalls=2,
    reattached=3,
    cache_hits=4,
    cache_misses=5,
)
part = t.PartHealth("store", "degraded", since=MOMENT, why="busy")
breaker = t.BreakerHealth("openai/gpt-5", "half_open", since=MOMENT, until=MOMENT)
limit = t.LimitHealth("openai/gpt-5", requests_per_minute=500, tokens_per_minute=200_000)
task = t.TaskHealth("turn", owner="ana", age_ms=40)
operation = t.OperationHealth("apply", calls=3, failures=1, duration_ms=spread)
statement = t.SlowStatement("SELECT 1", plan=["SCAN CONSTANT ROW"])
slow = t.SlowQuery("page", at=MOMENT, duration_ms=60, statements=[statement])
figures = t.StoreFigures(
    2,
    write_wait_ms=spread,
    readers=4,
    readers_busy=1,
    reads_waiting=3,
    read_wait_ms=spread,
    batches=7,
    commits=5,
    statements=90,
    log_bytes=8_248,
    slow_queries=1,
    last_slow=[slow],
)
summed_up = t.SummaryReport(ID, 40, model="openai/gpt-5", created_at=MOMENT)

problem = t.StoreProblem("count", "conversation", detail="3 count other messages than they have", repairable=True)
import_problem = t.ImportProblem(7, "orphan", item=3, detail="the message above one is missing")
storage_kind = t.StorageKind("messages", 8_192, index_bytes=4_096)

batch_item = t.BatchItem(
    3,
    "export",
    "refused",
    conversation_id=ID,
    message_ids=[ID],
    export=t.ExportReport(1, 2),
    error=error,
)

SAMPLES: list[Any] = [
    batch_item,
    t.BatchReport(4, 1, dry_run=True, skipped=2, items=[batch_item]),
    t.BatchProgress("writing", 3, 7),
    t.ErasureReport(3, 40, streams=1, entries=2, scrubbed=True),
    entry,
    library,
    t.LibraryItem("guide", 3, shared=True, created_at=MOMENT, updated_at=MOMENT),
    t.LibraryVersion(3, created_at=MOMENT, size_bytes=14),
    problem,
    storage_kind,
    import_problem,
    t.ExportReport(3, 40, files=2, bytes=8_192),
    t.ImportReport(3, 40, format="claude", dry_run=True, skipped=2, problem_count=1, problems=[import_problem]),
    t.Verification([problem], conversations=3, messages=40),
    t.Repair([problem], [problem]),
    t.StorageReport(81_920, log_bytes=4_152, page_bytes=8_192, pages=10, free_pages=1, kinds=[storage_kind]),
    t.TimelineItem("day-2026-11-22", kind={"type": "day_divider", "day": "2026-11-22"}),
    t.TimelineItem("typing", kind={"type": "typing", "turn_id": ID}),
    t.ContextReport(40, 1_200, turns=18, limit_tokens=115_000, is_whole=True, summary=summed_up),
    t.EngineEvent(
        {
            "type": "retry_scheduled",
            "model": "openai/gpt-5",
            "attempt": 2,
            "kind": "unavailable",
            "reason": "reset",
            "delay_ms": 20,
        },
        at=MOMENT,
        owner="ana",
        conversation_id=OTHER_ID,
        turn_id=ID,
    ),
    spread,
    target_stats,
    t.Stats(60_000, total=target_stats, targets=[target_stats]),
    part,
    breaker,
    limit,
    task,
    operation,
    statement,
    slow,
    figures,
    summed_up,
    t.Health(
        "degraded",
        at=MOMENT,
        store=part,
        cache=part,
        outbox=part,
        outbox_pending=1,
        providers=[part],
        breakers=[breaker],
        limits=[limit],
        queue_waiting=2,
        open_streams=3,
        tasks=[task],
        store_operations=[operation],
        store_figures=figures,
        cache_hits=4,
        cache_misses=5,
        library=library,
    ),
    media,
    citation,
    call,
    result,
    text,
    usage,
    cost,
    attempt,
    budget,
    status,
    total,
    row,
    report,
    tier_of_users,
    forecast,
    error,
    reply,
    message,
    conversation,
    turn,
    item,
    preferences,
    branch,
    hit,
    t.Span("soup", hit=True),
    tier,
    change,
    price,
    capabilities,
    t.ModelInfo("openai/gpt-5", context_window=1, max_output_tokens=2, price=price, capabilities=capabilities),
    t.ProviderInfo("openai", title="OpenAI", base_url="https://api.openai.com/v1", key_variable="OPENAI_API_KEY"),
    t.ToolSpec("sql", "Asks", {"type": "object"}, strict=True, text_format={"type": "text"}, provider="openai"),
    sampling,
    request_message,
    t.ChatRequest(
        "gpt-5",
        [request_message],
        system="Be brief.",
        sampling=sampling,
        reasoning_effort="low",
        reasoning_tokens=1,
        tools=[t.ToolSpec("weather", "The weather", {"type": "object"})],
        tool_choice={"name": "weather"},
        parallel_tools=False,
        output_schema={"name": "trip", "schema": {"type": "object"}, "strict": False},
        prompt_cache={"system": True, "messages": [0], "one_hour": True, "key": "k"},
        end_user="ana",
        provider_metadata={"a": "b"},
        extra_body={"x": [1]},
        extra_headers={"x-a": "b"},
    ),
    t.PathSource("a.png"),
    t.DataSource(b"\x00\xff"),
    t.UrlSource("https://x.example/a.png"),
    t.AttachmentSource(ID),
    t.ProviderFileSource("openai", "file_1"),
    t.ReasoningPart("hm"),
    t.RefusalPart("no"),
    t.ImagePart(media),
    t.AudioPart(media),
    t.FilePart(media),
    t.ToolCallPart(call),
    t.ToolResultPart(result),
    t.OpaquePart("anthropic", "signature", attached=True, data={"z": 1, "a": [2]}),
    t.StartedEvent("openai/gpt-5", message_id=ID, **HEADER),
    t.TextEvent("Ho", **HEADER),
    t.ReasoningEvent("hm", **HEADER),
    t.RefusalEvent("no", **HEADER),
    t.CitationEvent(citation, **HEADER),
    t.ToolCallDeltaEvent("c1", "f", '{"a', **HEADER),
    t.ToolCallEvent(call, **HEADER),
    t.ToolResultEvent(result, **HEADER),
    t.PartEvent(t.ImagePart(media), **HEADER),
    t.ProgressEvent({"step": "queued", "position": 3, "wait_ms": 40}, **HEADER),
    t.UsageEvent(usage, cost, **HEADER),
    t.DoneEvent(reply, **HEADER),
    t.OtherEvent("future", {"a": 1}, **HEADER),
    t.StartedRunEvent(
        "agent", ID, input=[text], beginning={"title": "A trip"}, max_cost_nano_usd=5_000_000, **RUN_HEADER
    ),
    t.PickedUpRunEvent(**RUN_HEADER),
    t.AskingRunEvent(1, **RUN_HEADER),
    t.TextRunEvent("Ho", **RUN_HEADER),
    t.RepliedRunEvent(
        1,
        "Hola",
        [call],
        turn_id=ID,
        message_id=OTHER_ID,
        model="openai/gpt-5",
        finish_reason="tool_calls",
        usage=usage,
        cost=cost,
        **RUN_HEADER,
    ),
    t.ApprovalNeededRunEvent(call, **RUN_HEADER),
    t.ApprovedRunEvent("c1", **RUN_HEADER),
    t.DeniedRunEvent("c1", "not on a Sunday", **RUN_HEADER),
    t.ToolStartedRunEvent("c1", "weather", **RUN_HEADER),
    t.ToolDoneRunEvent(result, 12, **RUN_HEADER),
    t.DoneRunEvent({"output": "Hola"}, **RUN_HEADER),
    t.FailedRunEvent(error, **RUN_HEADER),
    t.CancelledRunEvent(**RUN_HEADER),
    t.OtherRunEvent("future", {"a": 1}, **RUN_HEADER),
    t.RunSummary(
        ID,
        "agent",
        conversation_id=OTHER_ID,
        status="waiting",
        last_seq=7,
        created_at=MOMENT,
        updated_at=MOMENT + timedelta(minutes=1),
        expires_at=MOMENT + timedelta(days=30),
    ),
]
