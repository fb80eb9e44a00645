//! Collects figures, prints them, and writes `target/bench.json`.

use std::collections::BTreeMap;
use std::future::Future;

use crate::cpu;

#[derive(Default)]
pub struct Report {
    rounds: BTreeMap<&'static str, Vec<f64>>,
    ratios: Vec<(String, f64)>,
}

impl Report {
    /// Runs one round and notes what one unit of its work took.
    pub async fn round(
        &mut self,
        name: &'static str,
        units: usize,
        work: impl Future<Output = Result<(), Box<dyn std::error::Error>>>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let before = cpu::used();
        work.await?;
        let used = cpu::used().saturating_sub(before);
        self.rounds.entry(name).or_default().push(used.as_secs_f64() * 1e6 / units as f64);
        Ok(())
    }

    fn median(&self, name: &str) -> f64 {
        let mut rounds = self.rounds.get(name).cloned().unwrap_or_default();
        rounds.sort_by(f64::total_cmp);
        rounds.get(rounds.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// Adds how many times as much one takes as the other.
    pub fn ratio(&mut self, name: &str, baseline: &str) {
        self.ratios.push((format!("{name}_ratio"), self.median(name) / self.median(baseline)));
    }

    /// Prints the table and writes the file beside the build; figures of other languages in it are kept.
    pub fn write(&self) -> Result<(), Box<dyn std::error::Error>> {
        let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
        let path = std::path::Path::new(&target).join("bench.json");
        let mut file: serde_json::Map<String, serde_json::Value> =
            std::fs::read(&path).ok().and_then(|old| serde_json::from_slice(&old).ok()).unwrap_or_default();
        println!("{:<24} {:>10} {:>10} {:>10}  {}", "", "median", "min", "max", cpu::unit());
        for (name, rounds) in &self.rounds {
            let (min, max) = rounds.iter().fold((f64::MAX, 0.0_f64), |(min, max), r| (min.min(*r), max.max(*r)));
            println!("{name:<24} {:>10.2} {min:>10.2} {max:>10.2}", self.median(name));
            file.insert(format!("rust.{name}"), serde_json::json!({"value": self.median(name), "unit": cpu::unit()}));
        }
        for (name, ratio) in &self.ratios {
            println!("{name:<24} {ratio:>10.2}");
            file.insert(format!("rust.{name}"), serde_json::json!({"value": ratio, "unit": "ratio"}));
        }
        std::fs::write(path, serde_json::to_vec_pretty(&file)?)?;
        Ok(())
    }
}
