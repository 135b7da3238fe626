use super::*;

#[test]
fn a_seed_fixes_what_is_cut_when_and_a_stalled_client_is_left_alone() {
    for seed in 0..200 {
        for trial in [Trial::whole(), Trial::short()] {
            let cuts_of = || cuts(&mut Rng::with_seed(seed), &trial, trial.stalls);
            let cuts = cuts_of();
            assert_eq!(cuts, cuts_of());
            assert_eq!(cuts.len(), trial.cuts);
            let stalled = cuts.iter().filter(|(_, cut)| *cut == Cut::Stall);
            let stalled: Vec<_> = stalled.map(|(at, _)| *at).collect();
            assert_eq!(stalled.len(), trial.stalls);
            for (at, cut) in &cuts {
                assert!((MARGIN..trial.lines.time()).contains(at), "seed {seed}");
                let in_a_stall = |stall: &Duration| *at > *stall && *at < *stall + trial.patience;
                assert!(!stalled.iter().any(in_a_stall), "seed {seed}: {cut:?}");
            }
        }
    }
}
