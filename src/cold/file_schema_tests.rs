use super::*;

fn names(columns: &[&str]) -> Vec<String> {
    Layout::new("t", columns).columns
}

#[test]
fn plain_names_stay() {
    let l = Layout::new("metrics", &["ts", "dev", "Val ue"]);
    assert_eq!(l.raw_table, "metrics_raw");
    assert_eq!(l.view, "metrics");
    assert_eq!(l.rowid, "rowid");
    assert_eq!(l.columns, ["ts", "dev", "Val ue"]);
}

#[test]
fn names_that_differ_in_case_only() {
    assert_eq!(names(&["A", "a"]), ["A", "a_2"]);
    assert_eq!(names(&["a", "A", "A_2", "a_3"]), ["a", "A_4", "A_2", "a_3"]);
    // SQLite folds ASCII only
    assert_eq!(names(&["Ä", "ä"]), ["Ä", "ä"]);
}

#[test]
fn rowid_stays_reachable() {
    assert_eq!(Layout::new("t", &["RowID"]).rowid, "_rowid_");
    assert_eq!(Layout::new("t", &["rowid", "_rowid_"]).rowid, "oid");
    let all = Layout::new("t", &["_ROWID_", "oid", "rowid", "_rowid__2"]);
    assert_eq!(all.rowid, "_rowid_");
    assert_eq!(all.columns, ["_ROWID__3", "oid", "rowid", "_rowid__2"]);
}

#[test]
fn tables_named_like_ours() {
    assert_eq!(Layout::new("x_raw", &["a"]).raw_table, "x_raw_raw");
    let info = Layout::new("_Cold_Info", &["a"]);
    assert_eq!(
        (info.view.as_str(), info.raw_table.as_str()),
        ("_Cold_Info_", "_Cold_Info_raw")
    );
    let reserved = Layout::new("SQLite_stat1", &["a"]);
    assert_eq!(
        (reserved.view.as_str(), reserved.raw_table.as_str()),
        ("_SQLite_stat1", "_SQLite_stat1_raw")
    );
}
