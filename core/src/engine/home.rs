//! Where an engine keeps its data when nobody says where.

use std::path::PathBuf;

use crate::call::Environment;
use crate::model::{Error, Result};

/// `$TERTULIA_HOME`, else the platform's folder for application data.
pub(super) fn folder(environment: &dyn Environment) -> Result<PathBuf> {
    let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(home) = variable("TERTULIA_HOME") {
        return Ok(home);
    }
    let data = if cfg!(target_os = "macos") {
        variable("HOME").map(|home| home.join("Library/Application Support"))
    } else if cfg!(windows) {
        variable("APPDATA")
    } else {
        variable("XDG_DATA_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/share")))
    };
    data.map(|folder| folder.join("tertulia")).ok_or_else(|| {
        Error::invalid(
            "store_missing",
            "this system names no folder for data: say where by the path of the store, or by TERTULIA_HOME",
        )
    })
}
