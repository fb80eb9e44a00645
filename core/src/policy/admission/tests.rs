use super::*;
use crate::base::{Ids, ManualClock, Random as _, SeededRandom};
use crate::model::Allowance;

const SECOND: Duration = Duration::from_secs(1);

fn limits(max_concurrent: u32) -> Limits {
    Limits { requests_per_minute: None, tokens_per_minute: None, max_concurrent, adaptive: true }
}

fn queue(max_concurrent: u32) -> AdmissionQueue {
    AdmissionQueue::new(limits(max_concurrent), QueueSettings::default(), Duration::ZERO)
}

fn per_minute(requests: Option<u64>, tokens: Option<u64>) -> AdmissionQueue {
    let limits = Limits { requests_per_minute: requests, tokens_per_minute: tokens, ..limits(1_000) };
    AdmissionQueue::new(limits, QueueSettings::default(), Duration::ZERO)
}

fn ask(priority: Priority, owner: &str, since: Duration) -> Ask {
    Ask { priority, owner: Some(owner.into()), since, ..Ask::default() }
}

fn join(queue: &mut AdmissionQueue, ask: Ask, now: Duration) -> Ticket {
    queue.join(ask, now).unwrap().0
}

/// Lets all go who may go at this moment; gives them in their order, and keeps none of their permits.
fn order(queue: &mut AdmissionQueue, now: Duration) -> Vec<Ticket> {
    let mut gone = Vec::new();
    while let Ok(ticket) = queue.next(now) {
        gone.push(ticket);
        let lease = queue.release(ticket, now).unwrap();
        queue.settle(lease, Spent::Failed, now);
    }
    gone
}

#[test]
fn of_a_hundred_in_the_background_and_one_in_front_the_one_is_next() {
    let mut queue = queue(1);
    let held = queue.take(&Ask::default(), Duration::ZERO);
    let background: Vec<_> =
        (0..100).map(|_| join(&mut queue, ask(Priority::Background, "job", Duration::ZERO), Duration::ZERO)).collect();
    let normal = join(&mut queue, ask(Priority::Normal, "job", SECOND), SECOND);
    let interactive = join(&mut queue, ask(Priority::Interactive, "job", SECOND), SECOND);
    assert_eq!(queue.next(SECOND), Err(None), "the permit is out");
    assert_eq!(queue.place(interactive, SECOND).unwrap().position, 0);
    assert_eq!(queue.place(normal, SECOND).unwrap().position, 1);
    assert_eq!(queue.place(background[99], SECOND).unwrap().position, 101);
    queue.settle(held, Spent::Failed, SECOND);
    let gone = order(&mut queue, SECOND);
    assert_eq!(gone[..2], [interactive, normal]);
    assert_eq!(gone[2..], background);
}

#[test]
fn who_waits_becomes_more_urgent_so_that_nobody_waits_for_ever() {
    // A permit comes back each second, and each second somebody in front wants it.
    let mut queue = queue(1);
    let mut held = Some(queue.take(&Ask::default(), Duration::ZERO));
    let background = join(&mut queue, ask(Priority::Background, "job", Duration::ZERO), Duration::ZERO);
    for second in 1..60 {
        let now = second * SECOND;
        let _ = join(&mut queue, ask(Priority::Interactive, "ana", now), now);
        queue.settle(held.take().unwrap(), Spent::Failed, now);
        let ticket = queue.next(now).unwrap();
        held = queue.release(ticket, now);
        if ticket == background {
            assert_eq!(second, 20, "two classes of ten seconds each");
            return;
        }
    }
    panic!("it never went");
}

#[test]
fn a_retry_keeps_its_age() {
    let mut queue = queue(1);
    let held = queue.take(&Ask::default(), Duration::ZERO);
    let fresh = join(&mut queue, ask(Priority::Interactive, "ana", 5 * SECOND), 5 * SECOND);
    let retried = join(&mut queue, ask(Priority::Interactive, "ana", SECOND), 6 * SECOND);
    queue.settle(held, Spent::Failed, 6 * SECOND);
    assert_eq!(order(&mut queue, 6 * SECOND), [retried, fresh]);
}

#[test]
fn a_call_for_which_somebody_more_urgent_waits_goes_sooner_and_never_later() {
    let mut queue = queue(1);
    let held = queue.take(&Ask::default(), Duration::ZERO);
    let talk = Some(Ids::new(Arc::new(ManualClock::default()), Arc::new(SeededRandom::new(5))).conversation());
    let background = |since| ask(Priority::Background, "job", since);
    let first = join(&mut queue, background(Duration::ZERO), Duration::ZERO);
    let before = join(&mut queue, Ask { conversation: talk, ..background(Duration::ZERO) }, Duration::ZERO);
    let hurried = join(&mut queue, Ask { conversation: talk, ..background(SECOND) }, SECOND);
    let behind = join(&mut queue, Ask { conversation: talk, ..background(2 * SECOND) }, 2 * SECOND);
    let normal = join(&mut queue, ask(Priority::Normal, "job", SECOND), SECOND);
    let now = 3 * SECOND;
    assert!(queue.hurry(hurried, Priority::Interactive));
    assert!(!queue.hurry(hurried, Priority::Normal), "what is urgent stays urgent");
    assert!(!queue.hurry(hurried, Priority::Interactive));
    queue.settle(held, Spent::Failed, now);
    assert_eq!(
        order(&mut queue, now),
        [before, hurried, normal, first, behind],
        "and its conversation keeps its order"
    );
    assert!(!queue.hurry(first, Priority::Interactive), "it is gone");
}

#[test]
fn owners_take_turns_however_many_calls_each_of_them_has() {
    let mut queue = queue(1);
    let held = queue.take(&Ask::default(), Duration::ZERO);
    let now = SECOND;
    let many: Vec<_> = (0..10).map(|_| join(&mut queue, ask(Priority::Interactive, "ana", now), now)).collect();
    let few: Vec<_> = (0..2).map(|_| join(&mut queue, ask(Priority::Interactive, "bob", now), now)).collect();
    queue.settle(held, Spent::Failed, now);
    let gone = order(&mut queue, now);
    assert_eq!(gone[..5], [many[0], few[0], many[1], few[1], many[2]]);
}

#[test]
fn owners_who_keep_coming_do_not_starve_one_who_waits() {
    let mut queue = queue(1);
    let mut held = Some(queue.take(&Ask::default(), Duration::ZERO));
    let ana: Vec<_> =
        (0..5).map(|_| join(&mut queue, ask(Priority::Interactive, "ana", Duration::ZERO), Duration::ZERO)).collect();
    let mut seen = 0;
    for number in 1..=20_u32 {
        let now = number * SECOND / 100;
        let _ = join(&mut queue, ask(Priority::Interactive, &format!("new {number}"), now), now);
        queue.settle(held.take().unwrap(), Spent::Failed, now);
        let ticket = queue.next(now).unwrap();
        seen += usize::from(ana.contains(&ticket));
        held = queue.release(ticket, now);
    }
    assert_eq!(seen, 5, "every other turn is hers");
}

#[test]
fn within_a_conversation_nobody_overtakes_and_the_first_is_as_urgent_as_the_last() {
    let ids = Ids::new(Arc::new(ManualClock::default()), Arc::new(SeededRandom::new(1)));
    let conversation = Some(ids.conversation());
    let mut queue = queue(1);
    let held = queue.take(&Ask::default(), Duration::ZERO);
    let first =
        join(&mut queue, Ask { conversation, ..ask(Priority::Background, "ana", Duration::ZERO) }, Duration::ZERO);
    let other = join(&mut queue, ask(Priority::Normal, "ana", Duration::ZERO), Duration::ZERO);
    let second = join(&mut queue, Ask { conversation, ..ask(Priority::Interactive, "ana", SECOND) }, SECOND);
    queue.settle(held, Spent::Failed, SECOND);
    assert_eq!(order(&mut queue, SECOND), [first, second, other]);
}

#[test]
fn permits_are_lent_and_come_back_however_a_call_ends() {
    let mut queue = queue(2);
    let ends = [
        Spent::Unsent,
        Spent::Tokens { input: 1, output: 1 },
        Spent::Failed,
        Spent::Throttled { informed: true },
        Spent::Unknown,
    ];
    for spent in ends {
        let (one, two) = (queue.take(&Ask::default(), SECOND), queue.take(&Ask::default(), SECOND));
        assert!(!queue.is_free(&Ask::default(), SECOND), "{spent:?}");
        queue.settle(one, spent, SECOND);
        assert!(queue.is_free(&Ask::default(), SECOND), "{spent:?}");
        queue.settle(two, spent, SECOND);
        assert_eq!(queue.in_flight(), 0);
    }
    assert!(queue.is_fresh(SECOND));
}

#[test]
fn requests_and_tokens_each_minute_make_wait_and_what_is_not_taken_comes_back() {
    let mut queue = per_minute(Some(60), Some(6_000));
    let large = Ask { input_tokens: 1_000, max_output_tokens: Some(2_000), ..Ask::default() };
    let (one, two) = (queue.take(&large, Duration::ZERO), queue.take(&large, Duration::ZERO));
    assert!(!queue.is_free(&large, Duration::ZERO));
    let ticket = join(&mut queue, large.clone(), Duration::ZERO);
    assert_eq!(queue.next(Duration::ZERO).unwrap_err().unwrap().as_secs(), 30);
    queue.settle(one, Spent::Tokens { input: 900, output: 100 }, Duration::ZERO);
    assert_eq!(queue.next(Duration::ZERO).unwrap_err().unwrap().as_secs(), 10);
    queue.settle(two, Spent::Failed, Duration::ZERO);
    assert_eq!(queue.next(Duration::ZERO), Ok(ticket));
    for _ in 0..58 {
        let lease = queue.take(&Ask { max_output_tokens: Some(0), ..Ask::default() }, Duration::ZERO);
        queue.settle(lease, Spent::Failed, Duration::ZERO);
    }
    assert_eq!(queue.next(Duration::ZERO).unwrap_err().unwrap().as_secs(), 1, "sixty requests are sixty");
}

#[test]
fn where_nobody_says_how_long_a_reply_may_be_it_is_taken_to_be_as_long_as_the_last() {
    let mut queue = per_minute(None, Some(10_000));
    for _ in 0..100 {
        let lease = queue.take(&Ask::default(), Duration::ZERO);
        queue.settle(lease, Spent::Tokens { input: 0, output: 10 }, Duration::ZERO);
    }
    // A thousand tokens were taken; replies of ten are expected.
    let mut leases = Vec::new();
    while queue.is_free(&Ask::default(), Duration::ZERO) {
        leases.push(queue.take(&Ask::default(), Duration::ZERO));
    }
    assert_eq!(leases.len(), 900);
}

#[test]
fn a_servers_delay_holds_everybody_and_a_shorter_one_does_not_undo_it() {
    let mut queue = queue(10);
    queue.hold(10 * SECOND, Duration::ZERO);
    queue.hold(SECOND, Duration::ZERO);
    let ticket = join(&mut queue, Ask::default(), Duration::ZERO);
    assert_eq!(queue.next(9 * SECOND), Err(Some(SECOND)));
    assert_eq!(queue.held_for(9 * SECOND), SECOND);
    assert_eq!(queue.next(10 * SECOND), Ok(ticket));
}

#[test]
fn limits_are_learnt_and_an_account_that_is_shut_is_left_alone() {
    let mut queue = queue(100);
    let lease = queue.take(&Ask::default(), Duration::ZERO);
    let requests = Some(Allowance { limit: 60, remaining: 2, resets_in: None });
    assert!(!queue.counts_tokens());
    queue.observe(&Quota { requests, ..Quota::default() }, &lease, Duration::ZERO);
    assert!(!queue.counts_tokens() && !queue.is_fresh(Duration::ZERO));
    queue.settle(lease, Spent::Failed, Duration::ZERO);
    let ask = Ask::default();
    let (one, two) = (queue.take(&ask, Duration::ZERO), queue.take(&ask, Duration::ZERO));
    assert!(!queue.is_free(&ask, Duration::ZERO));
    assert_eq!(queue.returns_in(&one, Duration::ZERO).unwrap().as_millis(), 1_000);
    queue.observe(&Quota { shut_for: Some(90 * SECOND), ..Quota::default() }, &two, Duration::ZERO);
    assert_eq!(queue.held_for(SECOND), 89 * SECOND);
    queue.settle(one, Spent::Unknown, Duration::ZERO);
    queue.settle(two, Spent::Unknown, Duration::ZERO);
    let tokens = Some(Allowance { limit: 1_000, remaining: 1_000, resets_in: None });
    let lease = queue.take(&ask, Duration::ZERO);
    queue.observe(&Quota { input_tokens: tokens, ..Quota::default() }, &lease, Duration::ZERO);
    assert!(queue.counts_tokens());
    queue.settle(lease, Spent::Unknown, Duration::ZERO);
}

#[test]
fn too_fast_and_nothing_else_slows_down_unless_that_is_switched_off() {
    for adaptive in [true, false] {
        let limits = Limits { adaptive, ..limits(100) };
        let mut queue = AdmissionQueue::new(limits, QueueSettings::default(), Duration::ZERO);
        for informed in [true, false] {
            let lease = queue.take(&Ask::default(), SECOND);
            queue.settle(lease, Spent::Throttled { informed }, SECOND);
            let slowed = adaptive && !informed;
            let first = queue.take(&Ask::default(), SECOND);
            assert_eq!(queue.is_free(&Ask::default(), SECOND), !slowed, "adaptive {adaptive}, informed {informed}");
            queue.settle(first, Spent::Failed, SECOND);
        }
    }
}

#[test]
fn who_would_wait_beyond_its_deadline_is_refused_at_once() {
    let mut queue = per_minute(Some(60), None);
    for _ in 0..60 {
        let lease = queue.take(&Ask::default(), Duration::ZERO);
        queue.settle(lease, Spent::Failed, Duration::ZERO);
    }
    let until = |deadline: u64| Ask { deadline: Some(Duration::from_secs(deadline)), ..Ask::default() };
    for _ in 0..10 {
        let _ = join(&mut queue, until(60), Duration::ZERO);
    }
    match queue.join(until(10), Duration::ZERO) {
        Err(Refusal::TooLate(wait)) => assert_eq!(wait.as_secs(), 11),
        other => panic!("{other:?}"),
    }
    assert!(queue.join(until(12), Duration::ZERO).is_ok());
    assert_eq!(queue.len(), 11);
    // By the permits it is known from how long they were held before.
    let mut queue = self::queue(1);
    let lease = queue.take(&Ask::default(), Duration::ZERO);
    queue.settle(lease, Spent::Failed, 5 * SECOND);
    let _held = queue.take(&Ask::default(), 5 * SECOND);
    assert_eq!(queue.join(until(9), 5 * SECOND), Err(Refusal::TooLate(5 * SECOND)));
    assert!(queue.join(until(11), 5 * SECOND).is_ok());
}

#[test]
fn it_is_bounded_in_calls_and_bytes_and_the_urgent_push_out_the_others() {
    let settings = QueueSettings { max_waiting: 3, max_waiting_bytes: 1_000, ..QueueSettings::default() };
    let mut queue = AdmissionQueue::new(limits(1), settings, Duration::ZERO);
    let _held = queue.take(&Ask::default(), Duration::ZERO);
    let of = |priority, bytes| Ask { bytes, ..ask(priority, "ana", Duration::ZERO) };
    let first = join(&mut queue, of(Priority::Background, 10), Duration::ZERO);
    let second = join(&mut queue, of(Priority::Background, 10), Duration::ZERO);
    let third = join(&mut queue, of(Priority::Interactive, 10), Duration::ZERO);
    assert!(matches!(queue.join(of(Priority::Background, 10), Duration::ZERO), Err(Refusal::Full(_))));
    let (fourth, pushed_out) = queue.join(of(Priority::Normal, 10), Duration::ZERO).unwrap();
    assert_eq!((pushed_out, queue.len()), (Some(second), 3), "the last of the least urgent");
    assert!(matches!(queue.join(of(Priority::Interactive, 2_000), Duration::ZERO), Err(Refusal::Full(_))));
    let (fifth, pushed_out) = queue.join(of(Priority::Interactive, 970), Duration::ZERO).unwrap();
    assert_eq!(pushed_out, Some(first));
    assert!(matches!(queue.join(of(Priority::Interactive, 50), Duration::ZERO), Err(Refusal::Full(_))));
    let (sixth, pushed_out) = queue.join(of(Priority::Interactive, 1), Duration::ZERO).unwrap();
    assert_eq!(pushed_out, Some(fourth));
    for ticket in [third, fifth, sixth] {
        queue.leave(ticket);
        queue.leave(ticket);
    }
    assert!(queue.is_empty() && queue.turns.is_empty() && queue.waiting_bytes == 0);
}

#[test]
fn ten_thousand_who_wait_until_their_deadline_all_end() {
    let settings = QueueSettings { max_waiting: 10_000, ..QueueSettings::default() };
    let mut queue = AdmissionQueue::new(limits(1), settings, Duration::ZERO);
    let held = queue.take(&Ask::default(), Duration::ZERO);
    let tickets: Vec<_> = (0..10_000)
        .map(|number: u32| {
            let ask = Ask {
                deadline: Some(60 * SECOND),
                ..ask(Priority::Normal, &format!("{}", number % 7), Duration::ZERO)
            };
            join(&mut queue, ask, Duration::ZERO)
        })
        .collect();
    assert!(matches!(queue.join(Ask::default(), Duration::ZERO), Ok((_, Some(_)))), "more urgent: one has to go");
    assert!(matches!(
        queue.join(ask(Priority::Background, "late", Duration::ZERO), Duration::ZERO),
        Err(Refusal::Full(_))
    ));
    for ticket in tickets {
        queue.leave(ticket);
    }
    queue.settle(held, Spent::Unknown, 60 * SECOND);
    assert_eq!((queue.len(), queue.in_flight()), (1, 0));
    assert_eq!(order(&mut queue, 60 * SECOND).len(), 1);
    assert!(queue.turns.is_empty());
}

#[test]
fn no_order_of_events_loses_a_permit_or_lends_one_too_many() {
    for seed in 0..300 {
        let random = SeededRandom::new(seed);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
        let pick = |most: u32| (random.unit() * f64::from(most)) as u32;
        let max = 1 + pick(4);
        let settings = QueueSettings { max_waiting: 8, ..QueueSettings::default() };
        let limits = Limits { requests_per_minute: Some(120), ..limits(max) };
        let mut queue = AdmissionQueue::new(limits, settings, Duration::ZERO);
        let (mut waiting, mut leases, mut now) = (Vec::new(), Vec::new(), Duration::ZERO);
        for _ in 0..400 {
            now += pick(3) * SECOND / 4;
            match pick(4) {
                0 => {
                    let priority = [Priority::Interactive, Priority::Normal, Priority::Background][pick(3) as usize];
                    if let Ok((ticket, pushed_out)) = queue.join(ask(priority, &pick(3).to_string(), now), now) {
                        waiting.retain(|other| Some(*other) != pushed_out);
                        waiting.push(ticket);
                    }
                }
                1 if !waiting.is_empty() => queue.leave(waiting.swap_remove(pick(waiting.len() as u32) as usize)),
                2 if !leases.is_empty() => {
                    let spent = [Spent::Unsent, Spent::Failed, Spent::Throttled { informed: false }][pick(3) as usize];
                    queue.settle(leases.swap_remove(0), spent, now);
                }
                _ => {
                    while let Ok(ticket) = queue.next(now) {
                        waiting.retain(|other| *other != ticket);
                        leases.push(queue.release(ticket, now).unwrap());
                    }
                }
            }
            assert_eq!(queue.in_flight() as usize, leases.len(), "seed {seed}");
            assert!(queue.in_flight() <= max, "seed {seed}");
            assert_eq!(queue.len(), waiting.len(), "seed {seed}");
        }
        leases.drain(..).for_each(|lease| queue.settle(lease, Spent::Unknown, now));
        while !queue.is_empty() {
            match queue.next(now) {
                Ok(ticket) => {
                    let lease = queue.release(ticket, now).unwrap();
                    queue.settle(lease, Spent::Failed, now);
                }
                Err(wait) => now += wait.unwrap_or_else(|| panic!("seed {seed}: nobody can ever go")),
            }
        }
        assert_eq!((queue.in_flight(), queue.waiting_bytes, queue.turns.len()), (0, 0, 0), "seed {seed}");
    }
}

#[test]
fn limits_of_a_model_go_before_its_providers_and_those_before_all() {
    let mut settings = LimitSettings { requests_per_minute: Some(10), ..LimitSettings::default() };
    let provider = LimitOverride { requests_per_minute: Some(20), max_concurrent: Some(2), ..LimitOverride::default() };
    let model = LimitOverride { requests_per_minute: Some(30), adaptive: Some(false), ..LimitOverride::default() };
    settings.overrides.extend([("lab".to_owned(), provider), ("lab/big/one".to_owned(), model)]);
    let of = |provider, model| settings.of(provider, model);
    assert_eq!((of("other", "m").requests_per_minute, of("other", "m").max_concurrent), (Some(10), 64));
    assert_eq!((of("lab", "m").requests_per_minute, of("lab", "m").max_concurrent), (Some(20), 2));
    let big = of("lab", "big/one");
    assert_eq!((big.requests_per_minute, big.max_concurrent, big.adaptive), (Some(30), 2, false));
}
