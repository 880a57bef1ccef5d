//! Which part of a campaign falls to this machine. Schedulers say it in the environment, which is read here
//! and nowhere below.

use crate::campaign::seeds::Shard;

/// Reads `K/N`; or `auto` and `auto/N`, which take what is left out from the environment.
#[allow(clippy::disallowed_methods, reason = "read before any run, to choose which are played")]
pub(super) fn parse(text: &str) -> Result<Shard, String> {
    shard(text, |name| std::env::var(name).ok())
}

fn shard(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Shard, String> {
    let of = match text.split_once('/') {
        Some(("auto", of)) => Some(of.parse().map_err(|_| format!("`{of}` is no number of parts"))?),
        None if text == "auto" => None,
        _ => return text.parse(),
    };
    let number = |name: &str| variable(name).and_then(|text| text.parse::<u64>().ok());
    // Slurm counts its tasks as the user likes, `--array=0-7` or `--array=10-80:10`.
    let slurm = number("SLURM_ARRAY_TASK_ID").map(|id| {
        let first = number("SLURM_ARRAY_TASK_MIN").unwrap_or(0);
        let step = number("SLURM_ARRAY_TASK_STEP").unwrap_or(1).max(1);
        id.saturating_sub(first) / step
    });
    let index = slurm
        .or_else(|| number("JOB_COMPLETION_INDEX"))
        .ok_or("neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX says which part this is; write K/N")?;
    let of = of.or_else(|| number("SLURM_ARRAY_TASK_COUNT"));
    let of = of.ok_or("only Slurm says how many parts there are; write auto/N")?;
    format!("{}/{of}", index.saturating_add(1)).parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedulers_say_which_part_it_is() {
        #[track_caller]
        fn check(text: &str, variables: &[(&str, &str)], expected: Option<&str>) {
            let variable = |name: &str| {
                variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            };
            let found = shard(text, variable).ok().map(|shard| shard.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
        let slurm = [
            ("SLURM_ARRAY_TASK_ID", "30"),
            ("SLURM_ARRAY_TASK_MIN", "10"),
            ("SLURM_ARRAY_TASK_STEP", "10"),
            ("SLURM_ARRAY_TASK_COUNT", "4"),
        ];
        check("auto", &slurm, Some("3/4"));
        check("2/9", &slurm, Some("2/9"));
        check("auto/8", &[("JOB_COMPLETION_INDEX", "7")], Some("8/8"));
        check("auto/7", &[("JOB_COMPLETION_INDEX", "7")], None);
        check("auto", &[("JOB_COMPLETION_INDEX", "7")], None);
        check("auto/8", &[], None);
        check("auto/x", &slurm, None);
    }
}
