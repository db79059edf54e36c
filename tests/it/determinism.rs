//! The same bytes whatever the workers, and in whatever order the splits are visited.

use crate::place::Place;

#[test]
fn workers_and_visiting_order_do_not_show_in_the_output() {
    let variants: [&[&str]; 5] = [&["-j1"], &["-j2"], &["-j8"], &["-j2", "--visit", "7"], &["-j3", "--visit", "99"]];
    let digests = variants.map(|more| {
        let place = Place::new();
        place.run_quickstart(more).done();
        place.digest(&["out", "runs/quickstart/ledger", "runs/quickstart/held", "runs/quickstart/found"])
    });
    for (digest, variant) in digests.iter().zip(variants) {
        assert_eq!(digest, &digests[0], "{variant:?}");
    }
}

#[test]
fn tasks_done_one_by_one_in_processes_of_their_own_give_the_same() {
    let (whole, apart) = (Place::new(), Place::new());
    whole.run_quickstart(&[]).done();
    let plan = apart.quickstart("plan", &["--save", "--json"]).output().unwrap();
    let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).unwrap();
    let mut done = 0;
    for pass in plan["passes"].as_array().unwrap() {
        for task in pass["tasks"].as_array().unwrap() {
            apart.tamis(&["task", "runs/quickstart", task["id"].as_str().unwrap()]).done();
            done += 1;
        }
    }
    assert!(done > 20, "{done}");
    assert_eq!(whole.digest(&["out"]), apart.digest(&["out"]));
    // Whoever did the tasks, the folders are the run's own, and there is nothing left to do.
    assert_eq!(apart.run_quickstart(&["--json"]).done().json()["tasks_done"], 0);
}
