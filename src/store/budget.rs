//! The budget of the step cache: how much room layers may take that only the cache names, and who goes first.
//!
//! Not here: removing (`gc`), and when it is looked at (`build`, at the end of one that executed steps).

use super::Store;
use super::cache::Step;
use super::survey::Survey;
use crate::error::{Kind, Result, fail_with};
use anyhow::Context;
use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

/// The environment variable that sets the budget.
pub const VARIABLE: &str = "DHOW_CACHE_BUDGET";

/// Without a setting the cache takes at most this: what many builds' layers fit in, and few disks miss.
const CAP: u64 = 20_000_000_000;

/// Nor more than this part of the disk.
const SHARE: u64 = 10;

/// A number of bytes as people write it: `20GB`, `1.5 GiB`, `512m`. kB, MB, GB, TB are powers of 1000; KiB and so on, and
/// single letters, powers of 1024.
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..at].parse().ok()?;
    let factor = match text[at..].trim() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1_048_576.0,
        "g" | "gib" => 1_073_741_824.0,
        "t" | "tib" => 1_099_511_627_776.0,
        _ => return None,
    };
    let bytes = number * factor;
    (bytes < u64::MAX as f64).then_some(bytes as u64)
}

fn parse(text: &str, disk: u64) -> Option<u64> {
    if text == "unlimited" {
        return Some(u64::MAX);
    }
    match text.strip_suffix('%') {
        Some(share) => {
            let share: f64 = share.trim().parse().ok()?;
            (0.0..=100.0).contains(&share).then_some((disk as f64 * share / 100.0) as u64)
        }
        None => parse_size(text),
    }
}

impl Store {
    /// The budget in bytes: `DHOW_CACHE_BUDGET` (a size, a share of the disk in per cent, or `unlimited`), else a tenth of
    /// the disk, 20 GB at most.
    pub fn cache_budget(&self) -> Result<u64> {
        let stat = rustix::fs::statvfs(self.root()).context("asking for the size of the store's disk")?;
        let disk = stat.f_blocks.saturating_mul(stat.f_frsize);
        let Some(text) = std::env::var_os(VARIABLE).filter(|text| !text.is_empty()) else {
            return Ok(CAP.min(disk / SHARE));
        };
        parse(&text.to_string_lossy(), disk).ok_or_else(|| {
            fail_with(
                Kind::User,
                format!("{VARIABLE} is {:?}, which is no size", text.to_string_lossy()),
                "Write bytes (20GB, 500MB), a share of the disk (10%), or unlimited.",
            )
        })
    }
}

/// The steps that must go so that what only the cache names takes no more than `budget` bytes, least recently used first.
/// What a command at work stands on stays.
pub fn excess(survey: &Survey, budget: u64) -> Vec<&Step> {
    let cached: HashSet<&str> = survey.only_cached();
    let mut left = survey.size_of(&cached);
    // Several steps may have given the same layer: it is as recent as the latest of them.
    let mut used: HashMap<&str, SystemTime> = HashMap::new();
    for step in survey.steps.iter().filter(|step| cached.contains(step.record.layer.id.as_str())) {
        let latest = used.entry(&step.record.layer.id).or_insert(step.used);
        *latest = step.used.max(*latest);
    }
    let mut order: Vec<(SystemTime, &str)> = used.into_iter().map(|(id, used)| (used, id)).collect();
    order.sort_unstable();
    let mut going = HashSet::new();
    for (_, id) in order.into_iter().filter(|(_, id)| !survey.leased.contains(*id)) {
        if left <= budget {
            break;
        }
        left -= survey.layers.get(id).copied().unwrap_or(0);
        going.insert(id);
    }
    survey.steps.iter().filter(|step| going.contains(step.record.layer.id.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::cache::StepRecord;
    use super::super::layer::LayerRef;
    use super::*;
    use std::collections::BTreeMap;
    use std::time::Duration;

    #[test]
    fn budgets_are_read_as_people_write_them() {
        for (text, bytes) in
            [("20GB", 20_000_000_000), ("1.5 GiB", 1_610_612_736), ("512m", 536_870_912), ("0", 0), ("7", 7)]
        {
            assert_eq!(parse(text, 1000), Some(bytes), "{text}");
        }
        assert_eq!(parse("10%", 1000), Some(100));
        assert_eq!(parse("unlimited", 1000), Some(u64::MAX));
        for bad in ["", "much", "-1", "5 parsecs", "101%", "1e400", "99999999999999999999TB", "."] {
            assert_eq!(parse(bad, 1000), None, "{bad}");
        }
    }

    #[test]
    fn the_least_recently_used_goes_first_and_what_is_in_use_does_not_count() {
        let step = |key: &str, layer: &str, used: u64| Step {
            key: key.into(),
            record: StepRecord {
                layer: LayerRef { id: layer.into(), diff_id: String::new(), tar_size: 0, content_size: 0 },
                created: String::new(),
                inputs: vec![],
            },
            used: SystemTime::UNIX_EPOCH + Duration::from_secs(used),
        };
        let survey = Survey {
            images: vec![],
            names: vec![],
            containers: vec![],
            steps: vec![step("1", "a", 1), step("2", "b", 2), step("3", "a", 9), step("4", "c", 3), step("5", "d", 0)],
            layers: BTreeMap::from([("a", 100), ("b", 100), ("c", 100), ("d", 100)].map(|(id, n)| (id.into(), n))),
            leased: HashSet::from(["d".to_string()]),
            blind: false,
        };
        let keys = |budget| -> Vec<&str> { excess(&survey, budget).iter().map(|s| s.key.as_str()).collect() };
        assert_eq!(keys(400), Vec::<&str>::new());
        assert_eq!(keys(399), ["2"]);
        assert_eq!(keys(200), ["2", "4"]);
        assert_eq!(keys(0), ["1", "2", "3", "4"], "the leased one stays");
    }
}
