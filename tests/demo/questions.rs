//! Questions that people ask. None of them knows which chunks are cold.

use super::DATABASE;
use super::common::Cluster;
use super::map::ChunkMap;
use super::plan::Read;
use super::show::Show;
use postgres::Client;

const QUESTIONS: [(&str, &str); 5] = [
    (
        "The coldest day at each airport?",
        "SELECT DISTINCT ON (origin) origin AS airport,
       (time_hour AT TIME ZONE 'America/New_York')::date AS day, round(avg(temp)::numeric, 1) AS \"mean, °F\"
FROM weather GROUP BY 1, 2 ORDER BY 1, 3;",
    ),
    (
        "The windiest hours? (A reading of 1,048 miles per hour is a famous error of this data set.)",
        "SELECT time_hour, origin AS airport, round(wind_speed::numeric) AS \"wind, mph\", wind_dir AS \"from, °\"
FROM weather WHERE wind_speed < 200 ORDER BY wind_speed DESC, 1, 2 LIMIT 5;",
    ),
    (
        "How much did it rain each month at JFK?",
        "SELECT to_char(time_hour AT TIME ZONE 'America/New_York', 'YYYY-MM') AS month,
       round(sum(precip)::numeric, 2) AS inches, repeat('▪', round(sum(precip) * 4)::int) AS \" \"
FROM weather WHERE origin = 'JFK' GROUP BY 1 ORDER BY 1;",
    ),
    (
        "The weather on the evening of Independence Day? (One cold file is opened, the others are ruled out.)",
        "SELECT origin AS airport, temp AS \"°F\", humid AS \"humidity, %\", visib AS \"visibility, miles\"
FROM weather WHERE time_hour = '2013-07-04 21:00 America/New_York' ORDER BY 1;",
    ),
    (
        "The warmest hour of December? (All hot: no file is opened.)",
        "SELECT time_hour, origin AS airport, temp AS \"°F\"
FROM weather WHERE time_hour >= '2013-12-01 00:00+00' ORDER BY temp DESC NULLS LAST, 1, 2 LIMIT 1;",
    ),
];

/// The answers as psql prints them.
pub fn answers(cluster: &Cluster) -> Vec<String> {
    let ask = |(_, sql): &(&str, &str)| cluster.psql(DATABASE, sql);
    QUESTIONS.iter().map(ask).collect()
}

/// Asks them aloud. `before`: the answers of the time when every row was hot.
pub fn ask(show: &Show, cluster: &Cluster, client: &mut Client, before: &[String]) {
    show.step("Questions, asked as if nothing had happened");
    let cold = ChunkMap::read(client).cold();
    for (question, sql) in QUESTIONS {
        show.text(question);
        show.sql(sql);
        show.table(cluster, DATABASE, sql);
        show.result(&format!("{}\n", Read::of(client, sql).sentence(cold)));
    }
    assert_eq!(before, answers(cluster), "an answer has changed");
    show.text("All five answers are the same as before the move.");
}
