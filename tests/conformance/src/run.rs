//! Runs the cases: each one read in every way, all of them side by side.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tertulia::base::{SeededRandom, SystemClock};
use tertulia::call::catalog::Catalogue;
use tertulia::net::{HttpTransport, NetworkSettings, Transport};
use tertulia::{StreamEvent, StreamEventKind};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::case::{self, Case};
use crate::cuts;
use crate::dialects::{self, Reader};
use crate::expect::{Mismatch, first_mismatch, parts};
use crate::read::{Reading, Recording, is_success};
use crate::server::{Delivery, Server};

/// How often a case is read in random pieces, and how often it is cut at random, over loopback.
const ROUNDS: u64 = 50;
/// The most pieces of a random splitting.
const MOST_PIECES: usize = 24;
/// Bodies up to this length come over loopback byte by byte; longer ones in as many pieces of equal length.
const SINGLE_BYTES: usize = 4 << 10;
/// The most borders between events at which a case is cut over loopback; more are taken at equal distances.
const MOST_BORDERS: usize = 64;
/// How many cases are read at the same moment.
const AT_ONCE: usize = 8;
/// A case that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Cases that came out as expected in every way.
    pub passed: usize,
    /// Cases that did not.
    pub failed: usize,
    /// Cases of dialects that are not built.
    pub skipped: usize,
}

impl Summary {
    /// True when there was a case and none failed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.failed == 0 && !self.is_empty()
    }

    /// True when no case was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.passed + self.failed + self.skipped == 0
    }
}

/// What came of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It came out as expected in every way.
    Passed,
    /// It did not: which field, in which way of reading, and how.
    Failed(String),
    /// Its dialect, of this name, is not built.
    Skipped(String),
}

/// Runs the cases of a folder whose names begin with the prefix, and writes a line for each, in the order of their
/// names, and a last one with the sums.
///
/// # Errors
/// The folder cannot be listed, loopback cannot be listened on, or `out` cannot be written to.
pub async fn run(folder: &Path, prefix: &str, out: &mut (dyn Write + Send)) -> io::Result<Summary> {
    let server = Arc::new(Server::start().await?);
    // Proxies of the environment have no business with loopback.
    let settings = NetworkSettings { max_connections: 256, ..NetworkSettings::default() };
    let transport: Arc<dyn Transport> =
        Arc::new(HttpTransport::new(&settings, Arc::new(SystemClock::default())).map_err(io::Error::other)?);
    let catalogue = Arc::new(Catalogue::bundled().map_err(io::Error::other)?);

    let cases = case::load(folder, prefix)?;
    let mut verdicts: Vec<Option<Verdict>> = vec![None; cases.len()];
    let names: Vec<String> = cases.iter().map(|(name, _)| name.clone()).collect();
    let mut running = JoinSet::new();
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    for (place, (_, case)) in cases.into_iter().enumerate() {
        let (server, transport, catalogue) = (server.clone(), transport.clone(), catalogue.clone());
        let turns = turns.clone();
        running.spawn(async move {
            let _turn = turns.acquire_owned().await;
            (place, verdict(case, &catalogue, transport, server).await)
        });
    }
    let (mut summary, mut written) = (Summary::default(), 0);
    while let Some(done) = running.join_next().await {
        let (place, verdict) = done.map_err(io::Error::other)?;
        verdicts[place] = Some(verdict);
        while let Some(Some(verdict)) = verdicts.get(written) {
            summary.count(verdict);
            writeln!(out, "{}", line(&names[written], verdict))?;
            written += 1;
        }
    }
    transport.close().await;
    write!(out, "{} passed, {} failed", summary.passed, summary.failed)?;
    match summary.skipped {
        0 => writeln!(out)?,
        skipped => writeln!(out, ", {skipped} skipped")?,
    }
    Ok(summary)
}

impl Summary {
    fn count(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed(_) => self.failed += 1,
            Verdict::Skipped(_) => self.skipped += 1,
        }
    }
}

fn line(name: &str, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passed => format!("ok {name}"),
        Verdict::Failed(why) => format!("not ok {name}: {}", why.replace(['\r', '\n'], " ")),
        Verdict::Skipped(dialect) => format!("skip {name}: dialect \"{dialect}\" is not built yet"),
    }
}

async fn verdict(
    case: Result<Case, String>,
    catalogue: &Catalogue,
    transport: Arc<dyn Transport>,
    server: Arc<Server>,
) -> Verdict {
    let case = match case {
        Ok(case) => case,
        Err(why) => return Verdict::Failed(why),
    };
    let dialect = match dialects::reader(&case) {
        Reader::Built(dialect) => dialect,
        Reader::NotBuilt(name) => return Verdict::Skipped(name),
    };
    let quirks = dialects::quirks(catalogue, &case);
    let recording = Arc::new(Recording { case, dialect, quirks });
    let alone = recording.clone();
    let tried = async {
        // The decoder alone first: it takes the processor for a while, and says more when it fails.
        match tokio::task::spawn_blocking(move || without_network(&alone)).await {
            Ok(tried) => tried?,
            Err(error) => return Err(Mismatch::new("decoder", "an end", error)),
        }
        over_loopback(&recording, &transport, &server).await
    };
    match tokio::time::timeout(PATIENCE, tried).await {
        Ok(Ok(())) => Verdict::Passed,
        Ok(Err(mismatch)) => Verdict::Failed(mismatch.to_string()),
        Err(_) => Verdict::Failed(format!("time expected an end got none within {} s", PATIENCE.as_secs())),
    }
}

type Tried = Result<(), Mismatch>;

/// Says in which way of reading a field came out otherwise.
fn in_way(way: &str, mismatch: Mismatch) -> Mismatch {
    Mismatch { field: format!("{} ({way})", mismatch.field), ..mismatch }
}

pub(crate) fn without_network(recording: &Recording) -> Tried {
    let case = &recording.case;
    let body = &case.body[..];
    let whole = recording.read_pieces([body]);
    as_expected(recording, &whole, "whole")?;
    let bytes = recording.read_pieces(body.chunks(1));
    as_expected(recording, &bytes, "byte by byte")?;
    same_events(&whole, &bytes, "byte by byte")?;
    if !is_success(case.status) {
        return Ok(());
    }
    let (proof, last_proof) = (cuts::proof(case), cuts::last_proof(case));
    for cut in cuts::all_affordable(body, &SeededRandom::new(seed(case))) {
        let reading = recording.read_pieces([&body[..cut]]);
        let behind = |proof: Option<usize>| proof.is_some_and(|proof| cut >= proof);
        honest(&whole, &reading, &format!("cut at byte {cut}"), behind(proof), behind(last_proof))?;
    }
    Ok(())
}

async fn over_loopback(recording: &Recording, transport: &Arc<dyn Transport>, server: &Server) -> Tried {
    let case = &recording.case;
    let length = case.body.len();
    let whole = recording.read_over(transport, server, Delivery { borders: Vec::new(), cut: None }).await;
    as_expected(recording, &whole, "over loopback")?;

    let step = length.div_ceil(SINGLE_BYTES).max(1);
    let borders = (step..length).step_by(step).collect();
    let bytes = recording.read_over(transport, server, Delivery { borders, cut: None }).await;
    as_expected(recording, &bytes, "over loopback in single pieces")?;
    same_events(&whole, &bytes, "over loopback in single pieces")?;

    for round in 0..ROUNDS {
        let seed = seed(case).wrapping_add(round);
        let borders = cuts::some_places(length, MOST_PIECES, &SeededRandom::new(seed));
        let split = recording.read_over(transport, server, Delivery { borders, cut: None }).await;
        let way = format!("over loopback in random pieces, seed {seed}");
        as_expected(recording, &split, &way)?;
        same_events(&whole, &split, &way)?;
    }
    if !is_success(case.status) {
        return Ok(());
    }
    let borders = cuts::borders(&case.body);
    let step = borders.len().div_ceil(MOST_BORDERS).max(1);
    let at_borders = borders.into_iter().step_by(step).chain([0, length]).map(|cut| (cut, String::new()));
    let at_random = (0..ROUNDS).map(|round| {
        let seed = seed(case).wrapping_add(round);
        (cuts::below(&SeededRandom::new(seed), length), format!(", seed {seed}"))
    });
    for (cut, seed) in at_borders.chain(at_random) {
        let reading = recording.read_over(transport, server, Delivery { borders: Vec::new(), cut: Some(cut) }).await;
        // The connection broke: whatever the bytes said, HTTP did not end.
        honest(&whole, &reading, &format!("over loopback, connection cut at byte {cut}{seed}"), false, false)?;
    }
    Ok(())
}

fn as_expected(recording: &Recording, reading: &Reading, way: &str) -> Tried {
    first_mismatch(&recording.case, reading).map_or(Ok(()), |mismatch| Err(in_way(way, mismatch)))
}

fn same_events(whole: &Reading, other: &Reading, way: &str) -> Tried {
    if whole.events != other.events {
        let place = whole.events.iter().zip(&other.events).take_while(|(a, b)| a == b).count();
        let show = |reading: &Reading| format!("{:?}", reading.events.get(place));
        return Err(in_way(way, Mismatch::new(format!("event {place}"), show(whole), show(other))));
    }
    if whole.closing != other.closing {
        return Err(in_way(
            way,
            Mismatch::new("closing", format!("{:?}", whole.closing), format!("{:?}", other.closing)),
        ));
    }
    Ok(())
}

/// A cut reply is no success before its proof, and says nothing that the whole one does not say.
fn honest(whole: &Reading, cut: &Reading, way: &str, proven: bool, said_all: bool) -> Tried {
    if cut.outcome.is_ok() && !proven {
        return Err(in_way(way, Mismatch::new("outcome", "an error", "a reply")));
    }
    if cut.outcome.is_err() || !said_all {
        if !begins(&whole.events, &cut.events) {
            let place = whole.events.iter().zip(&cut.events).take_while(|(a, b)| a == b).count();
            let show = |reading: &Reading| format!("{:?}", reading.events.get(place));
            return Err(in_way(way, Mismatch::new(format!("event {place}"), show(whole), show(cut))));
        }
        return Ok(());
    }
    let (said, all) = (format!("{:?}", parts(&cut.events)), format!("{:?}", parts(&whole.events)));
    if said != all && whole.outcome.is_ok() {
        return Err(in_way(way, Mismatch::new("parts", all, said)));
    }
    Ok(())
}

/// True when these events are the beginning of those of the whole reply. Words that go on may be one event: then what came of
/// them is their beginning.
fn begins(whole: &[StreamEvent], cut: &[StreamEvent]) -> bool {
    let Some((last, before)) = cut.split_last() else { return true };
    let Some(same) = whole.get(before.len()) else { return false };
    whole[..before.len()] == *before
        && (same == last
            || same.part_index == last.part_index
                && match (&same.kind, &last.kind) {
                    (StreamEventKind::Text { delta: all }, StreamEventKind::Text { delta }) => {
                        all.starts_with(&**delta)
                    }
                    _ => false,
                })
}

/// A case's own seed, so that a failure repeats itself whichever cases run beside it.
fn seed(case: &Case) -> u64 {
    // FNV-1a.
    case.name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
