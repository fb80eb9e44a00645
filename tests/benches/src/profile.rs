//! Where the time goes: samples the stacks of this process while it works, names the hottest functions, and paints a
//! flame graph.

use std::collections::{HashMap, HashSet};

use crate::Outcome;
use crate::work::Work;

/// Samples a second of CPU time; not a round number, so that it does not beat with what happens at round intervals.
const FREQUENCY: i32 = 997;
/// How many functions are named.
const HOTTEST: usize = 20;

/// Runs the workload under the sampler.
pub async fn run(workload: &str) -> Outcome<()> {
    let work = Work::begin(workload).await?;
    // Frames of these cannot be walked safely from a signal.
    let libraries = ["libgcc", "pthread", "vdso"];
    let sampler = pprof::ProfilerGuardBuilder::default().frequency(FREQUENCY).blocklist(&libraries).build()?;
    work.go().await?;
    let sampled = sampler.report().build()?;
    drop(sampler);
    work.end().await?;
    name_the_hottest(&sampled);
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let path = std::path::Path::new(&target).join(format!("profile-{workload}.svg"));
    sampled.flamegraph(std::fs::File::create(&path)?)?;
    println!("\nflame graph: {}", path.display());
    Ok(())
}

/// Prints the functions in which most samples ended, each with the share of samples that passed through it.
fn name_the_hottest(sampled: &pprof::Report) {
    let mut ended: HashMap<String, isize> = HashMap::new();
    let mut passed: HashMap<String, isize> = HashMap::new();
    let mut all = 0;
    for (stack, count) in &sampled.data {
        all += count;
        // Innermost first. What was inlined into a function counts as that function, which has a full name.
        let names: Vec<String> =
            stack.frames.iter().filter_map(|frame| frame.last()).map(pprof::Symbol::name).collect();
        if let Some(innermost) = names.first() {
            *ended.entry(innermost.clone()).or_default() += count;
        }
        for name in names.into_iter().collect::<HashSet<_>>() {
            *passed.entry(name).or_default() += count;
        }
    }
    let mut hottest: Vec<(String, isize)> = ended.into_iter().collect();
    hottest.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    let percent = |count: isize| 100.0 * count as f64 / all.max(1) as f64;
    println!("{all} samples\n{:>7} {:>8}  function", "itself", "with all");
    for (name, count) in hottest.iter().take(HOTTEST) {
        let through = passed.get(name).copied().unwrap_or_default();
        println!("{:>6.1}% {:>7.1}%  {name}", percent(*count), percent(through));
    }
}
