//! The verbs of an engine.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde_json::{Value, json};
use tertulia::{BudgetId, Reconfiguration, Secret, Settings, Tertulia, Tier};

use crate::handles::Handle;
use crate::play::Made;
use crate::results::{plain, reply};
use crate::words::{Object, Played, Words, wrong};

/// What `stats` looks back on unless told otherwise.
const STATS_WINDOW: Duration = Duration::from_secs(60);

pub(crate) async fn verb(engine: &Tertulia, verb: &str, step: &Words<'_>) -> Played<Made> {
    let library = |library| Ok((json!({}), Some(Handle::Library(library))));
    let result = match verb {
        "close" => plain(engine.close().await?)?,
        "user" => {
            let mut user = engine.user(step.text("id")?);
            for (provider, key) in step.or_default::<HashMap<String, String>>("keys")? {
                user = user.key(provider, key);
            }
            return Ok((json!({"id": user.id()}), Some(Handle::User(user))));
        }
        "ask" => match step.value("messages") {
            None => reply(&engine.ask(step.said()?).with(step.call()?).await?)?,
            Some(_) => reply(&engine.ask(step.messages()?).with(step.call()?).await?)?,
        },
        "prompts" => return library(engine.prompts()),
        "personas" => return library(engine.personas()),
        "councils" => return library(engine.councils()),
        "library" => return library(engine.library(step.text("kind")?)),
        "library_cache" => return Ok((json!({}), Some(Handle::LibraryCache(engine.library_cache())))),
        "store" => return Ok((json!({}), Some(Handle::Store(engine.store())))),
        "events" => return Ok((json!({}), Some(Handle::Events(engine.events())))),
        "provider" => return Ok((json!({}), Some(Handle::Provider(engine.provider(step.text("name")?))))),
        "providers" => plain(engine.providers())?,
        "models" => plain(engine.models(&step.get::<String>("pattern")?.unwrap_or_else(|| "*".to_owned())))?,
        "load_catalogue" => plain(engine.load_catalogue(step.text("path")?).await?)?,
        "set_budget" => {
            let budget = step.budget()?;
            engine.set_budget(budget.clone()).await?;
            described(&budget)?
        }
        "remove_budget" => plain(engine.remove_budget(step.id::<BudgetId>("budget")?).await?)?,
        "list_budgets" => {
            let budgets = engine.list_budgets().await?;
            budgets.iter().map(described).collect::<Played<Vec<Value>>>()?.into()
        }
        "budgets" => plain(engine.budgets().await?)?,
        "set_tier" => plain(engine.set_tier(step.text("name")?, tier(step)?)?)?,
        "remove_tier" => {
            engine.remove_tier(step.text("name")?);
            Value::Null
        }
        "tiers" => {
            let tiers = engine.tiers().into_iter().map(|(name, tier)| Ok((name, plain(tier)?)));
            plain(tiers.collect::<Played<BTreeMap<String, Value>>>()?)?
        }
        "assign_tier" => {
            plain(engine.assign_tier(step.text("user")?, step.need::<Option<String>>("tier")?.as_deref())?)?
        }
        "usage" => plain(usage(engine.usage(), step)?.await?)?,
        "forecast" => plain(engine.forecast(step.need("window")?).await?)?,
        "stats" => plain(engine.stats(STATS_WINDOW))?,
        "health" => plain(engine.health())?,
        "reconfigure" => plain(engine.reconfigure(reconfiguration(engine, step)?)?)?,
        "warm_up" => plain(engine.warm_up(step.need::<Vec<String>>("models")?).await?)?,
        "network_changed" => {
            engine.network_changed();
            Value::Null
        }
        "set_low_power" => {
            engine.set_low_power(step.need("low")?);
            Value::Null
        }
        "suspend" => plain(engine.suspend().await?)?,
        "resume" => plain(engine.resume().await?)?,
        _ => return wrong(format!("this runner cannot play `engine.{verb}`")),
    };
    Ok((result, None))
}

/// What was spent, as the step asks for it.
pub(crate) fn usage(mut call: tertulia::engine::UsageCall, step: &Words<'_>) -> Played<tertulia::engine::UsageCall> {
    if let Some(by) = step.get("by")? {
        call = call.by(by);
    }
    if let Some(after) = step.get::<String>("after")? {
        call = call.after(after);
    }
    if let Some(limit) = step.get("limit")? {
        call = call.limit(limit);
    }
    Ok(call)
}

fn described(budget: &tertulia::Budget) -> Played {
    let mut json = plain(budget)?;
    json["id"] = plain(budget.id())?;
    Ok(json)
}

fn tier(step: &Words<'_>) -> Played<Tier> {
    let budgets: Vec<Object> = step.or_default("budgets")?;
    Ok(Tier {
        requests_per_minute: step.get("requests_per_minute")?,
        tokens_per_minute: step.get("tokens_per_minute")?,
        budgets: budgets.iter().map(|budget| Words(budget).budget()).collect::<Played<_>>()?,
        models: step.or_default("models")?,
        priority: step.get("priority")?,
    })
}

fn reconfiguration(engine: &Tertulia, step: &Words<'_>) -> Played<Reconfiguration> {
    let mut change = Reconfiguration::new();
    if let Some(settings) = step.value("settings") {
        let read = engine.settings().with_json(settings);
        let settings: Settings = read.map_err(|error| error.during("reconfigure"))?;
        change = change.settings(settings);
    }
    for (provider, key) in step.or_default::<HashMap<String, String>>("keys")? {
        change = change.key(provider, Secret::from(key));
    }
    if let Some(catalogue) = step.value("catalogue") {
        change = change.catalogue(catalogue.to_string());
    }
    Ok(change)
}
