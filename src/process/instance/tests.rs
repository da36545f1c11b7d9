use proptest::prelude::*;

use super::*;

/// `(pid, parent, role)`; the start time is the PID.
fn nodes(list: &[(i32, i32, Role)]) -> HashMap<i32, Node> {
    list.iter()
        .map(|(pid, parent, role)| {
            let identity = Identity { pid: *pid, start_ticks: u64::try_from(*pid).unwrap() };
            (*pid, Node { identity, parent: *parent, role: role.clone() })
        })
        .collect()
}

fn a_match() -> Role {
    Role::Match(None)
}

fn with(token: &str) -> Role {
    Role::Match(Some(token.into()))
}

fn members(list: &[(i32, i32, Role)]) -> Vec<Vec<i32>> {
    fold(&nodes(list)).into_iter().map(|tree| tree.members).collect()
}

#[test]
fn forks_and_workers_are_one_instance() {
    let tree = [
        (1, 0, Role::Other),
        (10, 1, a_match()),
        (11, 10, a_match()),
        (12, 11, Role::Other),
        (13, 12, a_match()),
        (14, 10, Role::Worker),
        (15, 13, Role::Worker),
    ];
    assert_eq!(members(&tree), [[10, 11, 13, 14, 15]]);
}

#[test]
fn mistake_1_a_wrapper_is_attached_and_no_instance() {
    let tree = [(1, 0, Role::Other), (5, 1, Role::Wrapper), (6, 5, Role::Wrapper), (10, 6, a_match())];
    let trees = fold(&nodes(&tree));
    assert_eq!(trees, [Tree { members: vec![10], wrappers: vec![6, 5], ancestors: vec![6, 5, 1] }]);
}

#[test]
fn a_wrapper_of_two_instances_belongs_to_neither() {
    let tree = [(5, 0, Role::Wrapper), (10, 5, a_match()), (11, 5, a_match())];
    assert!(fold(&nodes(&tree)).iter().all(|tree| tree.wrappers.is_empty()));
    assert_eq!(members(&tree), [[10], [11]]);
}

#[test]
fn copies_of_a_manager_are_instances_of_their_own() {
    let tree = [(5, 0, Role::Other), (10, 5, a_match()), (11, 5, a_match()), (12, 5, a_match())];
    assert_eq!(members(&tree), [[10], [11], [12]]);
}

#[test]
fn mistake_12_forks_that_outlived_their_root_are_one_each() {
    let tree = [(1, 0, Role::Other), (11, 1, a_match()), (12, 1, a_match()), (13, 1, Role::Worker)];
    assert_eq!(members(&tree), [[11], [12]]);
}

#[test]
fn a_child_with_another_token_is_another_bot() {
    let tree = [(10, 1, with("a")), (11, 10, with("b")), (12, 11, a_match()), (13, 10, a_match())];
    // 12 cannot be told apart from either: it goes with the topmost.
    assert_eq!(members(&tree), [vec![10, 12, 13], vec![11]]);
}

#[test]
fn a_cycle_of_parents_ends() {
    let tree = [(10, 11, a_match()), (11, 10, Role::Other)];
    assert_eq!(members(&tree), [[10]]);
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![
        Just(Role::Match(None)),
        Just(Role::Match(Some("a".into()))),
        Just(Role::Worker),
        Just(Role::Wrapper),
        Just(Role::Other),
    ]
}

proptest! {
    #[test]
    fn an_unrelated_process_changes_nothing(
        tree in proptest::collection::vec((2_i32..30, 0_i32..30, role()), 0..25),
        pid in 100_i32..200,
        parent in 0_i32..200,
        is_wrapper: bool,
    ) {
        let mut known = nodes(&tree);
        let before = fold(&known);
        let stranger = if is_wrapper { Role::Wrapper } else { Role::Other };
        known.extend(nodes(&[(pid, parent, stranger)]));
        prop_assert_eq!(before, fold(&known));
    }

    #[test]
    fn every_match_belongs_to_exactly_one_instance(tree in proptest::collection::vec((2_i32..30, 0_i32..30, role()), 0..25)) {
        let known = nodes(&tree);
        let folded: Vec<i32> = fold(&known).into_iter().flat_map(|tree| tree.members).collect();
        for (pid, node) in &known {
            let count = folded.iter().filter(|member| *member == pid).count();
            match node.role {
                Role::Match(_) => prop_assert_eq!(count, 1),
                Role::Worker => prop_assert!(count <= 1),
                Role::Wrapper | Role::Other => prop_assert_eq!(count, 0),
            }
        }
    }
}
