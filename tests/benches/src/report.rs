//! Collects figures, prints them, and writes `target/bench.json`.

use std::collections::BTreeMap;
use std::future::Future;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::{Outcome, cpu};

#[derive(Default)]
pub struct Report {
    rounds: BTreeMap<String, Vec<f64>>,
    /// Figures that others rely on: name, value, unit.
    named: Vec<(String, f64, &'static str)>,
}

impl Report {
    /// Runs one round and notes what one unit of its work took.
    pub async fn round(&mut self, name: &str, units: usize, work: impl Future<Output = Outcome<()>>) -> Outcome<()> {
        let before = cpu::used();
        work.await?;
        let used = cpu::used().saturating_sub(before);
        self.rounds.entry(name.to_owned()).or_default().push(used.as_secs_f64() * 1e6 / units as f64);
        Ok(())
    }

    /// Starts this very program to measure rounds in a process of its own, and adds them to those that are there.
    pub async fn rounds_of(&mut self, args: &[&str]) -> Outcome<()> {
        let run = Command::new(std::env::current_exe()?).args(args).stderr(Stdio::inherit()).output().await?;
        if !run.status.success() {
            return Err(format!("`{}` failed: {}", args.join(" "), run.status).into());
        }
        let rounds: BTreeMap<String, Vec<f64>> = serde_json::from_slice(&run.stdout)?;
        for (name, rounds) in rounds {
            self.rounds.entry(name).or_default().extend(rounds);
        }
        Ok(())
    }

    /// Prints the rounds for the process that started this one.
    pub fn hand_over(&self) -> Outcome<()> {
        println!("{}", serde_json::to_string(&self.rounds)?);
        Ok(())
    }

    /// How many times as much one takes as the other: the median over the rounds, each by its own baseline, so that
    /// what else the machine does falls on both.
    pub fn ratio(&mut self, key: &'static str, name: &str, baseline: &str) {
        let value = median(self.pairs(name, baseline).map(|(one, other)| one / other).collect());
        self.named(key, value, "ratio");
    }

    /// How much more one takes than the other: the median over the rounds.
    pub fn difference(&mut self, key: &'static str, name: &str, baseline: &str) {
        let value = median(self.pairs(name, baseline).map(|(one, other)| one - other).collect());
        self.named(key, value, cpu::unit());
    }

    /// A figure that was worked out elsewhere.
    pub fn named(&mut self, key: &str, value: f64, unit: &'static str) {
        self.named.push((key.to_owned(), value, unit));
    }

    /// How many of them there were in a second.
    pub fn rate(&mut self, key: &str, count: usize, took: Duration) {
        self.named(key, count as f64 / took.as_secs_f64(), "1/s");
    }

    /// What 50 and what 99 of 100 take at most, in microseconds by the clock on the wall. Sorts them.
    pub fn spread(&mut self, key: &str, took: &mut [Duration]) {
        took.sort();
        for (name, share) in [("p50_us", 50), ("p99_us", 99)] {
            let value = took.get(took.len() * share / 100).map_or(f64::NAN, |took| took.as_secs_f64() * 1e6);
            self.named(&format!("{key}.{name}"), value, "us");
        }
    }

    /// What 95 of 100 take at most, in microseconds by the clock on the wall.
    pub fn p95(&mut self, key: &'static str, mut took: Vec<Duration>) {
        took.sort();
        let value = took.get(took.len() * 95 / 100).map_or(f64::NAN, |took| took.as_secs_f64() * 1e6);
        self.named(key, value, "us");
    }

    fn pairs<'a>(&'a self, name: &str, baseline: &str) -> impl Iterator<Item = (f64, f64)> + use<'a> {
        let rounds = |name: &str| self.rounds.get(name).map_or(&[][..], Vec::as_slice);
        rounds(name).iter().copied().zip(rounds(baseline).iter().copied())
    }

    /// Prints the table and writes the file beside the build; figures of other languages in it are kept.
    pub fn write(&self) -> Outcome<()> {
        let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
        let path = std::path::Path::new(&target).join("bench.json");
        let mut file: serde_json::Map<String, serde_json::Value> =
            std::fs::read(&path).ok().and_then(|old| serde_json::from_slice(&old).ok()).unwrap_or_default();
        println!("{:<44} {:>10} {:>10} {:>10}  {}", "", "median", "min", "max", cpu::unit());
        for (name, rounds) in &self.rounds {
            let (min, max) = rounds.iter().fold((f64::MAX, 0.0_f64), |(min, max), r| (min.min(*r), max.max(*r)));
            let value = median(rounds.clone());
            println!("{name:<44} {value:>10.2} {min:>10.2} {max:>10.2}");
            file.insert(format!("rust.{name}"), serde_json::json!({"value": value, "unit": cpu::unit()}));
        }
        println!();
        for (name, value, unit) in &self.named {
            println!("{name:<44} {value:>10.2} {unit}");
            file.insert(name.clone(), serde_json::json!({"value": value, "unit": unit}));
        }
        std::fs::write(path, serde_json::to_vec_pretty(&file)?)?;
        Ok(())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
