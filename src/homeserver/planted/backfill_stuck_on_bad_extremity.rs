use super::Planted;

pub(super) const BUG: Planted = Planted {
    id: "backfill-stuck-on-bad-extremity",
    source: "Synapse #8349, #8451, #13622",
    year: "2020-2022",
    does: "asks for older events at the newest break in its history only, however often that fails",
    caught_by: "closed-history",
    follows: &[],
    plant: |habits| {
        habits.points_per_page = 1;
        habits.tries_other_points = false;
    },
};
