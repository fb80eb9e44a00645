//! Agents over real sockets: rounds of tools, approvals, bounds, answers of a type, and what is left of a run when its
//! process dies.
#![cfg(all(feature = "engine", feature = "sqlite", feature = "test-util"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use std::convert::Infallible;
use std::future::IntoFuture as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use support::mortal::Mortal;
use support::over::Over;
use support::{Lab, cause_of, within};
use tertulia::base::ManualClock;
use tertulia::net::{Replay, ReplayTransport};
use tertulia::store::{MemoryStore, Store};
use tertulia::{
    Agent, AgentResult, Bounds, ErrorKind, Json, ModelInfo, OutputSchema, Part, Price, ProviderSpec, Role, Run,
    RunEventKind, RunStatus, Tertulia, Tool,
};
use tertulia_simulator::Script;
use tokio::sync::Notify;

#[derive(Deserialize, JsonSchema)]
struct City {
    city: String,
}

/// Says the weather and counts how often it was asked.
fn weather(times: &Arc<AtomicU32>) -> Tool {
    counted("weather", times)
}

fn counted(name: &str, times: &Arc<AtomicU32>) -> Tool {
    let times = times.clone();
    Tool::new(name, "The weather in a city, today", move |asked: City| {
        let times = times.clone();
        async move {
            times.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(json!({"city": asked.city, "degrees": 24}))
        }
    })
}

const ASKS: &str = "tool=weather:{\"city\": \"Cádiz\"}";

/// The model that plays these scripts, one for each call.
fn plays(lab: &Lab, scripts: &[&str]) -> String {
    lab.simulator.set_scripts("m", scripts.iter().map(|script| Script::parse(script).unwrap()));
    "lab/m".to_owned()
}

/// All events of a run that has ended.
async fn events<T>(run: &mut Run<T>) -> Vec<RunEventKind> {
    let mut all = Vec::new();
    while let Some(event) = within(run.next_event()).await.unwrap() {
        all.push(event.kind);
    }
    all
}

fn names(events: &[RunEventKind]) -> Vec<String> {
    let name = |kind: &RunEventKind| serde_json::to_value(kind).unwrap()["type"].as_str().unwrap().to_owned();
    events.iter().filter(|kind| !kind.is_passing()).map(name).collect()
}

#[tokio::test]
async fn a_model_is_told_what_its_tools_answer_until_it_answers_itself() {
    let lab = Lab::memory().await;
    let times = Arc::default();
    let model = plays(&lab, &[ASKS, "text=Sunny, 24 degrees.;chunks=3"]);
    let agent = Agent::new("You know the weather.").tool(weather(&times)).model(&model);
    let chat = lab.me().new_conversation();
    let mut run = chat.run(&agent, "How is it in Cádiz?").start().await.unwrap();
    let heard = events(&mut run).await;
    assert_eq!(
        names(&heard),
        ["started", "asking", "replied", "tool_started", "tool_done", "asking", "replied", "done"]
    );
    let words: String = heard
        .iter()
        .filter_map(|e| match e {
            RunEventKind::Text { delta } => Some(&**delta),
            _ => None,
        })
        .collect();
    assert_eq!(words, "Sunny, 24 degrees.", "words come on their way");

    let result: AgentResult = within(lab.me().attach(run.id(), 0).unwrap().result()).await.unwrap();
    assert_eq!((&*result.output, result.rounds, result.calls), ("Sunny, 24 degrees.", 2, 1));
    assert_eq!(times.load(Ordering::Relaxed), 1);
    let body = lab.last_request();
    assert_eq!(body["tools"][0]["function"]["name"], "weather");
    assert_eq!(body["tools"][0]["function"]["parameters"]["required"], json!(["city"]));
    let roles: Vec<_> = body["messages"].as_array().unwrap().iter().map(|m| m["role"].clone()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool"]);
    let answer = body["messages"][3]["content"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Json>(answer).unwrap(), json!({"city": "Cádiz", "degrees": 24}));

    let page = chat.history().await.unwrap();
    let said: Vec<_> = page.items.iter().map(|m| m.role).collect();
    assert_eq!(said, [Role::User, Role::Assistant, Role::Tool, Role::Assistant], "all of it is in the conversation");
    assert_eq!(page.items[3].id, result.message_id);
    let summary = run.summary().await.unwrap();
    assert_eq!((summary.status, &*summary.program, summary.last_seq), (RunStatus::Done, "agent", 8));
    assert!(summary.expires_at.unwrap() > summary.created_at, "it does not stay for ever");
    lab.close().await;
}

#[tokio::test]
async fn every_dialect_carries_several_calls_and_their_answers() {
    let simulator = tertulia_simulator::Simulator::start().await.unwrap();
    let url = simulator.url();
    let tertulia = Tertulia::builder()
        .with_environment(Arc::new(|_: &str| None))
        .provider(ProviderSpec::openai_chat("chat", format!("{url}/v1")))
        .provider(ProviderSpec::openai_responses("responses", format!("{url}/v1")))
        .provider(ProviderSpec::anthropic("anthropic_", format!("{url}/v1")))
        .provider(ProviderSpec::gemini("gemini_", format!("{url}/v1beta")))
        .provider(ProviderSpec::ollama("ollama_", &url))
        .store("memory:")
        .open()
        .await
        .unwrap();
    let script =
        Script::parse("tool=weather:{\"city\": \"Lima\"};tool=weather:{\"city\": \"Cusco\"};text=Both are fine.");
    simulator.set_script("m", script.unwrap());
    for provider in ["chat", "responses", "anthropic_", "gemini_", "ollama_"] {
        let times = Arc::default();
        let agent = Agent::new("").tool(weather(&times)).model(format!("{provider}/m"));
        let chat = tertulia.user("ana").new_conversation();
        for question in ["And in Peru?", "And again?"] {
            let result = within(chat.run(&agent, question).into_future()).await.unwrap();
            assert_eq!((&*result.output, result.calls), ("Both are fine.", 2), "{provider}");
        }
        assert_eq!(times.load(Ordering::Relaxed), 4, "{provider}");
        let reply = chat.send("Thank you").model(format!("{provider}/m")).await.unwrap();
        assert!(!reply.parts.is_empty(), "{provider}: the conversation goes on without the agent");
    }
    tertulia.close().await.unwrap();
    simulator.shutdown().await;
}

#[tokio::test]
async fn whatever_goes_wrong_with_a_tool_is_told_to_the_model() {
    let lab = Lab::memory().await;
    let never = Tool::new("never", "", async |_: City| {
        std::future::pending::<()>().await;
        Ok::<_, Infallible>("")
    });
    let tools = [
        Tool::new("fails", "", async |_: City| Err::<String, _>("the station is closed")),
        Tool::new("panics", "", async |_: City| -> Result<String, Infallible> { panic!("a bug") }),
        Tool::new("long", "", async |_: City| Ok::<_, Infallible>("é".repeat(1_000))),
        never.timeout(Duration::from_millis(1)),
    ];
    let cases = [
        ("fails:{\"city\": \"\"}", "`fails`: the station is closed"),
        ("fails:{\"town\": \"Cádiz\"}", "`fails`: the arguments do not fit its schema: missing field `city`"),
        ("fails:no JSON", "`fails`: the arguments do not fit its schema: invalid type: string"),
        ("panics:{\"city\": \"\"}", "`panics`: it broke down"),
        ("never:{\"city\": \"\"}", "`never`: it did not answer within 1 ms"),
        ("rain:{}", "`rain`: there is no such tool; there are: fails, panics, long, never"),
        ("long:{\"city\": \"\"}", "é… [cut: the answer was longer than a tool may answer]"),
    ];
    for (call, told) in cases {
        let model = plays(&lab, &[&format!("tool={call}"), "text=I see."]);
        let bounds = Bounds { max_output_bytes: 101, ..Bounds::default() };
        let agent = tools.iter().cloned().fold(Agent::new("").model(model).bounds(bounds), Agent::tool);
        let result = within(lab.me().new_conversation().run(&agent, "?").into_future()).await.unwrap();
        assert_eq!(result.output, "I see.", "{call}");
        let body = lab.last_request();
        let answer = body["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap().to_owned();
        assert!(answer.contains(told) && answer.len() < 200, "{call}: {answer}");
    }
    lab.close().await;
}

#[tokio::test]
async fn a_call_that_needs_approval_waits_for_it_and_a_refusal_is_told_to_the_model() {
    let lab = Lab::memory().await;
    for refusal in [None, Some("not on a Sunday".to_owned())] {
        let times = Arc::default();
        let model = plays(&lab, &[ASKS, "text=Very well."]);
        let agent = Agent::new("").tool(weather(&times).needs_approval()).model(model);
        let run = lab.me().new_conversation().run(&agent, "?").start().await.unwrap();
        let mut elsewhere: Run<AgentResult> = lab.me().attach(run.id(), 0).unwrap();
        let call = loop {
            let event = within(elsewhere.next_event()).await.unwrap().unwrap();
            if let RunEventKind::ApprovalNeeded { call } = event.kind {
                break call;
            }
        };
        assert_eq!(elsewhere.summary().await.unwrap().status, RunStatus::Waiting);
        assert_eq!(cause_of(elsewhere.approve("another").await), (ErrorKind::NotFound, "no_call".to_owned()));
        match &refusal {
            None => elsewhere.approve(&call.id).await.unwrap(),
            Some(why) => elsewhere.deny(&call.id, Some(why.clone())).await.unwrap(),
        }
        let result = within(run.result()).await.unwrap();
        assert_eq!(result.output, "Very well.");
        assert_eq!(times.load(Ordering::Relaxed), u32::from(refusal.is_none()));
        let told = lab.last_request()["messages"].to_string();
        assert_eq!(told.contains("refused this call: not on a Sunday"), refusal.is_some(), "{told}");
        assert_eq!(cause_of(elsewhere.approve(&call.id).await), (ErrorKind::Conflict, "run_over".to_owned()));
    }
    lab.close().await;
}

#[tokio::test]
async fn an_agent_that_would_go_on_for_ever_meets_its_bounds() {
    let lab = Lab::memory().await;
    let different: Vec<String> = (0..9).map(|n| format!("tool=weather:{{\"city\": \"{n}\"}};loop")).collect();
    let different: Vec<&str> = different.iter().map(String::as_str).collect();
    let many = (0..5).map(|n| format!("tool=weather:{{\"city\": \"{n}\"}}")).collect::<Vec<_>>().join(";");
    let bounds = Bounds { max_rounds: 4, max_calls: 4, ..Bounds::default() };
    let cases: [(&[&str], &str, usize, u32); 3] = [
        (&different, "too_many_rounds", 4, 4),
        (&[&many], "too_many_calls", 1, 0),
        (&["tool=weather:{\"city\": \"Lima\"};loop"], "repeated_call", 4, 3),
    ];
    for (scripts, reason, requests, calls) in cases {
        lab.simulator.clear();
        let (model, times) = (plays(&lab, scripts), Arc::default());
        let agent = Agent::new("").tool(weather(&times)).model(model).bounds(bounds.clone());
        let outcome = within(lab.me().new_conversation().run(&agent, "?").into_future()).await;
        assert_eq!(cause_of(outcome), (ErrorKind::OutputInvalid, reason.to_owned()));
        assert_eq!((lab.simulator.requests().len(), times.load(Ordering::Relaxed)), (requests, calls), "{reason}");
    }
    lab.close().await;
}

#[tokio::test]
async fn an_agent_that_takes_too_long_ends_and_can_be_picked_up_with_more_time() {
    let lab = Lab::memory().await;
    let clock = ManualClock::default();
    let tertulia = lab.builder().with_clock(Arc::new(clock.clone())).open().await.unwrap();
    let begun = Arc::new(Notify::new());
    let (heard, answers) = (begun.clone(), Arc::new(AtomicU32::new(0)));
    let may_answer = answers.clone();
    let tool = Tool::new("weather", "", move |_: City| {
        let (heard, may_answer) = (heard.clone(), may_answer.clone());
        async move {
            heard.notify_one();
            if may_answer.load(Ordering::Relaxed) == 0 {
                std::future::pending::<()>().await;
            }
            Ok::<_, Infallible>("24 degrees")
        }
    });
    let bounds = Bounds { wall_ms: 5_000, ..Bounds::default() };
    let agent = Agent::new("").tool(tool.idempotent()).model(plays(&lab, &[ASKS, "text=Warm."])).bounds(bounds);
    let chat = tertulia.user("ana").new_conversation();
    let run = chat.run(&agent, "?").start().await.unwrap();
    within(begun.notified()).await;
    clock.advance(Duration::from_millis(5_000));
    let id = run.id();
    assert_eq!(cause_of(within(run.result()).await), (ErrorKind::OutputInvalid, "too_slow".to_owned()));

    answers.store(1, Ordering::Relaxed);
    let again = within(chat.pick_up(&agent, id).into_future()).await.unwrap();
    assert_eq!(within(again.result()).await.unwrap().output, "Warm.");
    assert_eq!(lab.simulator.requests().len(), 2, "nothing was asked twice");
    let all: Run<AgentResult> = tertulia.user("ana").attach(id, 0).unwrap();
    assert_eq!(within(all.result()).await.unwrap().output, "Warm.", "what failed on the way is not how it ended");
    assert_eq!(cause_of(chat.pick_up(&agent, id).await), (ErrorKind::Conflict, "run_over".to_owned()));
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Trip {
    city: String,
    days: u32,
}

#[tokio::test]
async fn an_answer_of_a_type_is_mended_by_the_model_or_refused() {
    let lab = Lab::memory().await;
    let fits = "text={\"city\": \"Cádiz\", \"days\": 2}";
    let fenced = "text=Here it is:\n```json\n{\"city\": \"Cádiz\", \"days\": 2}\n```\nEnjoy!";
    let (short, prose) = ("text={\"city\": \"Cádiz\"}", "text=Two days in Cádiz");
    for scripts in [&[fits][..], &[fenced], &[short, fits], &[prose, short, fits]] {
        lab.simulator.clear();
        let agent = Agent::new("You plan trips.").model(plays(&lab, scripts)).output::<Trip>();
        let result = within(lab.me().new_conversation().run(&agent, "A weekend").into_future()).await.unwrap();
        assert_eq!(result.output, Trip { city: "Cádiz".to_owned(), days: 2 });
        assert_eq!(lab.simulator.requests().len(), scripts.len());
        let body = lab.last_request();
        assert_eq!(body["response_format"]["json_schema"]["schema"]["required"], json!(["city", "days"]));
        let told = body["messages"].to_string();
        assert_eq!(told.contains("missing field `days`"), scripts.contains(&short), "{told}");
    }
    let agent = Agent::new("").model(plays(&lab, &[prose])).output::<Trip>();
    let error = within(lab.me().new_conversation().run(&agent, "?").into_future()).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::OutputInvalid, "unfit_output"));
    assert_eq!(error.partial(), [Part::text("Two days in Cádiz")], "what was answered is there");
    lab.close().await;
}

#[tokio::test]
async fn a_run_that_is_stopped_ends_its_call_and_so_does_one_that_nobody_awaits_any_more() {
    let lab = Lab::memory().await;
    let agent = Agent::new("").model(lab.model("text=one%20two;stall=1"));
    let chat = lab.me().new_conversation();
    let mut run = chat.run(&agent, "?").start().await.unwrap();
    while !matches!(within(run.next_event()).await.unwrap().unwrap().kind, RunEventKind::Text { .. }) {}
    run.cancel().await.unwrap();
    lab.peer_closed().await;
    let id = run.id();
    assert_eq!(cause_of(within(run.result()).await).0, ErrorKind::Cancelled);
    assert_eq!(cause_of(chat.pick_up(&agent, id).await).0, ErrorKind::Cancelled);
    lab.me().attach::<Json>(id, 0).unwrap().cancel().await.unwrap();

    lab.simulator.clear();
    let chat = lab.me().new_conversation();
    {
        let mut waits = chat.run(&agent, "?").into_future();
        tokio::select! {
            _ = &mut waits => panic!("it has no end"),
            () = lab.requested(1) => {}
        }
    }
    lab.peer_closed().await;
    lab.close().await;
}

#[tokio::test]
async fn what_a_run_may_cost_holds_for_all_of_its_calls_together_and_is_kept_with_it() {
    let lab = Lab::memory().await;
    let price = Price { input_nano_usd: 1_000_000_000, output_nano_usd: 2_000_000_000, ..Price::default() };
    let info = ModelInfo { price: Some(price), max_output_tokens: Some(1_000), ..ModelInfo::default() };
    let spec = ProviderSpec::openai_chat("priced", format!("{}/v1", lab.simulator.url())).model("m", info);
    let tertulia = lab.builder().provider(spec).open().await.unwrap();
    plays(&lab, &["tool=weather:{\"city\": \"Lima\"};usage=300/450", "text=Warm.;usage=400/45"]);
    let agent = Agent::new("").tool(weather(&Arc::default())).model("priced/m");
    let chat = tertulia.user("ana").new_conversation();
    let run = chat.run(&agent, "?").max_cost_nano_usd(3_500_000).start().await.unwrap();
    let id = run.id();
    let error = within(run.result()).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::BudgetExceeded, "max_cost"), "{error:?}");
    assert_eq!(lab.simulator.requests().len(), 1, "the second would cost more than is left: {error:?}");

    let again = within(chat.pick_up(&agent, id).into_future()).await.unwrap();
    assert_eq!(cause_of(within(again.result()).await).1, "max_cost", "the limit is the run's, not the process's");
    let again = within(chat.pick_up(&agent, id).max_cost_nano_usd(6_000_000).into_future()).await.unwrap();
    let result = within(again.result()).await.unwrap();
    assert_eq!((&*result.output, result.cost.nano_usd), ("Warm.", Some(1_200_000 + 490_000)));
    assert_eq!(lab.simulator.requests().len(), 2);
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn after_whichever_write_a_run_dies_it_is_picked_up_without_doing_anything_twice() {
    let lab = Lab::memory().await;
    let (mut deaths, mut asked_again) = (0, 0);
    for writes in 0.. {
        assert!(writes < 60, "the run writes without an end");
        lab.simulator.clear();
        let (once, often) = (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
        let script = "tool=weather:{\"city\": \"Lima\"};tool=book:{\"city\": \"Lima\"};text=Done.";
        let model = plays(&lab, &[script]);
        let agent = || Agent::new("").tool(weather(&often).idempotent()).tool(counted("book", &once)).model(&model);
        let clock = ManualClock::default();
        let memory: Arc<dyn Store> = Arc::new(MemoryStore::with_clock(Arc::new(clock.clone())));
        let mortal = Over::new(memory.clone(), Mortal::after(writes));
        let open = async |store: Arc<dyn Store>| {
            lab.builder().with_store(store).with_clock(Arc::new(clock.clone())).open().await.unwrap()
        };
        let first = open(mortal.clone()).await;
        let chat = first.user("ana").new_conversation();
        let (id, conversation) = (Arc::new(std::sync::Mutex::new(None)), chat.id());
        let (told, mine) = (id.clone(), agent());
        let life = async move {
            let run = chat.run(&mine, "?").start().await.unwrap();
            *told.lock().unwrap() = Some(run.id());
            run.result().await.unwrap()
        };
        let has_died = within(async {
            tokio::select! {
                _ = life => false,
                () = mortal.died.notified() => true,
            }
        })
        .await;
        let id = *id.lock().unwrap();
        let Some(id) = id else { continue };
        deaths += u32::from(has_died);
        // Its leases end; then another process finds the run.
        clock.advance(Duration::from_secs(60));
        let second = open(memory).await;
        let chat = second.user("ana").conversation(conversation);
        if has_died {
            let run = within(chat.pick_up(&agent(), id).into_future()).await.unwrap();
            assert_eq!(within(run.result()).await.unwrap().output, "Done.", "after {writes} writes");
        }
        let (once, often) = (once.load(Ordering::Relaxed), often.load(Ordering::Relaxed));
        assert!(once <= 1, "after {writes} writes what may be done once was done {once} times");
        assert!((1..=2).contains(&often), "after {writes} writes: {often}");
        let requests = lab.simulator.requests().len();
        assert!((2..=3).contains(&requests), "after {writes} writes a model was asked {requests} times");
        asked_again += requests - 2;
        let mut run: Run = second.user("ana").attach(id, 0).unwrap();
        let mut last = 0;
        while let Some(event) = within(run.next_event()).await.unwrap() {
            assert_eq!(event.seq, last + 1, "after {writes} writes");
            last = event.seq;
        }
        second.close().await.unwrap();
        if !has_died {
            assert_eq!(asked_again, 2, "only an answer that was not stored is asked for again");
            assert!(deaths > 8, "{deaths} deaths");
            break;
        }
    }
    lab.close().await;
}

#[tokio::test]
async fn runs_are_listed_page_by_page_with_where_they_stand() {
    let lab = Lab::memory().await;
    let (works, fails) = (lab.model("text=Done."), lab.model("error=invalid"));
    let mut expected = Vec::new();
    for (model, status) in [(&works, RunStatus::Done), (&fails, RunStatus::Failed), (&works, RunStatus::Done)] {
        let chat = lab.me().new_conversation();
        let run = chat.run(&Agent::new("").model(model), "?").start().await.unwrap();
        expected.insert(0, (run.id(), status, chat.id()));
        let _ = within(run.result()).await;
    }
    let stranger = lab.tertulia.user("bob").new_conversation();
    within(stranger.run(&Agent::new("").model(&works), "?").into_future()).await.unwrap();

    let seen = |page: &[tertulia::RunSummary]| -> Vec<_> {
        page.iter().map(|run| (run.id, run.status, run.conversation_id)).collect()
    };
    let first = lab.me().list_runs().limit(2).await.unwrap();
    assert_eq!(seen(&first), expected[..2]);
    let second = lab.me().list_runs().limit(2).before(first[1].id).await.unwrap();
    assert_eq!(seen(&second), expected[2..]);
    assert_eq!((second[0].last_seq, &*second[0].program), (4, "agent"));
    assert_eq!(cause_of(lab.me().list_runs().limit(0).await), (ErrorKind::Invalid, "bad_limit".to_owned()));
    lab.close().await;
}

#[tokio::test]
async fn whoever_attaches_behind_the_last_event_hears_that_there_is_no_more() {
    let lab = Lab::memory().await;
    for (model, ends) in [(lab.model("text=Done."), RunStatus::Done), (lab.model("error=invalid"), RunStatus::Failed)] {
        let run = lab.me().new_conversation().run(&Agent::new("").model(&model), "?").start().await.unwrap();
        let id = run.id();
        let _ = within(run.result()).await;
        let mut behind: Run = lab.me().attach(id, 100).unwrap();
        assert_eq!(behind.summary().await.unwrap().status, ends);
        assert_eq!(within(behind.next_event()).await.unwrap(), None);
    }
    lab.close().await;
}

#[tokio::test]
async fn a_refusal_is_no_answer_and_a_run_that_breaks_down_says_so() {
    let lab = Lab::memory().await;
    let chat = || lab.me().new_conversation();
    let refuses = Agent::new("").model(lab.model("refusal=I%20will%20not;finish=content_filter"));
    assert_eq!(cause_of(within(chat().run(&refuses, "?").into_future()).await).1, "refused");
    let schema = OutputSchema { name: "x".to_owned(), schema: json!({}), strict: false };
    let breaks = Agent::new("").model(lab.model("text=x")).output_by(schema, |_| panic!("a bug"));
    assert_eq!(cause_of(within(chat().run(&breaks, "?").into_future()).await).0, ErrorKind::Internal);
    let detached = chat().run(&refuses, "?").detached().start().await;
    assert_eq!(cause_of(detached), (ErrorKind::Invalid, "unsupported".to_owned()));
    let wide = Agent::new("").bounds(Bounds { parallel: usize::MAX, ..Bounds::default() });
    assert_eq!(cause_of(chat().run(&wide, "?").start().await), (ErrorKind::Invalid, "bad_bounds".to_owned()));
    lab.close().await;
}

#[tokio::test]
async fn whoever_was_driven_out_of_a_run_does_nothing_more_in_it() {
    const CALLS: usize = 40;
    let lab = Lab::memory().await;
    let calls: Vec<String> = (0..CALLS).map(|n| format!("tool=note:{{\"city\": \"{n}\"}}")).collect();
    let model = plays(&lab, &[&format!("{};text=Done.", calls.join(";"))]);
    let store: Arc<dyn Store> = Over::new(Arc::new(MemoryStore::new()), Mortal::after(u32::MAX));
    let first = lab.builder().with_store(store.clone()).open().await.unwrap();
    let second = lab.builder().with_store(store).open().await.unwrap();
    let (begun, may_end) = (Arc::new(AtomicU32::new(0)), Arc::new(tokio::sync::Semaphore::new(0)));
    let (counts, gate) = (begun.clone(), may_end.clone());
    let waits = Tool::new("note", "", move |_: City| {
        let (counts, gate) = (counts.clone(), gate.clone());
        async move {
            counts.fetch_add(1, Ordering::Relaxed);
            drop(gate.acquire().await);
            Ok::<_, Infallible>("noted")
        }
    });
    let agent = |tool: Tool| {
        let bounds = Bounds { parallel: 2, ..Bounds::default() };
        Agent::new("").tool(tool).model(&model).bounds(bounds)
    };
    let chat = first.user("ana").new_conversation();
    let run = chat.run(&agent(waits), "?").start().await.unwrap();
    within(async {
        while begun.load(Ordering::Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let noted = Arc::default();
    let elsewhere = second.user("ana").conversation(chat.id());
    let again = within(elsewhere.pick_up(&agent(counted("note", &noted)), run.id()).into_future()).await.unwrap();
    may_end.add_permits(1_000);
    assert_eq!(within(again.result()).await.unwrap().output, "Done.");
    assert_eq!(within(run.result()).await.unwrap().output, "Done.", "it hears how the run went on");
    let done = (begun.load(Ordering::Relaxed), noted.load(Ordering::Relaxed));
    assert_eq!(done, (2, 38), "what had begun is unknown, everything else is the other's");
    first.close().await.unwrap();
    second.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn a_run_whose_model_is_still_asked_elsewhere_waits_for_the_answer() {
    let lab = Lab::memory().await;
    let clock = ManualClock::default();
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::with_clock(Arc::new(clock.clone())));
    let open = async |store: Arc<dyn Store>| {
        lab.builder().with_store(store).with_clock(Arc::new(clock.clone())).open().await.unwrap()
    };
    let dies = Over::new(memory.clone(), Mortal::after(4));
    let first = open(dies.clone()).await;
    let agent = Agent::new("").model(lab.model("text=Done."));
    let chat = first.user("ana").new_conversation();
    let run = chat.run(&agent, "?").start().await.unwrap();
    within(dies.died.notified()).await;
    let second = open(memory).await;
    let elsewhere = second.user("ana").conversation(chat.id());
    let again = within(elsewhere.pick_up(&agent, run.id()).into_future()).await.unwrap();
    let mut result = std::pin::pin!(again.result());
    // The turn's lease has not ended: whoever holds it may be at work.
    let result = within(async {
        loop {
            tokio::select! {
                biased;
                result = &mut result => break result,
                () = tokio::task::yield_now() => clock.advance(Duration::from_secs(1)),
            }
        }
    })
    .await;
    assert_eq!(result.unwrap().output, "Done.");
    second.close().await.unwrap();
    lab.close().await;
}

/// Tells when it is dropped.
struct Told(Arc<Notify>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn a_tool_at_work_is_stopped_with_its_conversation_and_with_its_user() {
    for erases in [false, true] {
        let lab = Lab::memory().await;
        let (begun, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (heard, told) = (begun.clone(), dropped.clone());
        let hangs = Tool::new("weather", "", move |_: City| {
            let (heard, told) = (heard.clone(), Told(told.clone()));
            async move {
                let _told = told;
                heard.notify_one();
                std::future::pending::<Result<String, Infallible>>().await
            }
        });
        let agent = Agent::new("").tool(hangs).model(plays(&lab, &[ASKS]));
        let chat = lab.me().new_conversation();
        let run = chat.run(&agent, "?").start().await.unwrap();
        within(begun.notified()).await;
        if erases {
            within(lab.me().erase()).await.unwrap();
            assert_eq!(lab.me().list_runs().await.unwrap(), [], "nothing of it is left");
        } else {
            within(chat.delete()).await.unwrap();
            assert_eq!(cause_of(within(run.result()).await).0, ErrorKind::Cancelled);
        }
        within(dropped.notified()).await;
        lab.close().await;
    }
}

#[tokio::test]
async fn calls_that_a_provider_gives_one_name_are_answered_apart() {
    let lab = Lab::memory().await;
    let call = |index: usize, city: &str| {
        let arguments = json!({"city": city}).to_string();
        json!({"index": index, "id": "call_0", "function": {"name": "weather", "arguments": arguments}})
    };
    let asks = json!({"choices": [{"index": 0, "delta": {"tool_calls": [call(0, "Lima"), call(1, "Cusco")]}}]});
    let ends = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]});
    let said = json!({"choices": [{"index": 0, "delta": {"content": "Fine."}}]});
    let stops = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    let stream = |first: &Json, last: &Json| {
        Replay::status(200)
            .header("content-type", "text/event-stream")
            .piece(format!("data: {first}\n\ndata: {last}\n\ndata: [DONE]\n\n"))
    };
    let transport = Arc::new(ReplayTransport::new([stream(&asks, &ends), stream(&said, &stops)]));
    let tertulia = lab.builder().with_transport(transport.clone()).open().await.unwrap();
    let times = Arc::default();
    let agent = Agent::new("").tool(weather(&times)).model("lab/m");
    let chat = tertulia.user("ana").new_conversation();
    let result = within(chat.run(&agent, "?").into_future()).await.unwrap();
    assert_eq!((&*result.output, result.calls, times.load(Ordering::Relaxed)), ("Fine.", 2, 2));
    let body: Json = serde_json::from_slice(transport.requests()[1].body()).unwrap();
    let answers: Vec<_> = body["messages"].as_array().unwrap().iter().filter(|m| m["role"] == "tool").collect();
    assert_eq!(answers.len(), 2);
    assert_ne!(answers[0]["tool_call_id"], answers[1]["tool_call_id"]);
    assert!(answers[0]["content"].as_str().unwrap().contains("Lima"), "{answers:?}");
    tertulia.close().await.unwrap();
    lab.close().await;
}
