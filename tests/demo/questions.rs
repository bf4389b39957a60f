//! Questions that people would ask of a year's weather.

use crate::Demo;

pub const WINDIEST: &str = "\
SELECT time_hour, origin, round(wind_speed::numeric, 1) AS mph FROM weather
ORDER BY wind_speed DESC NULLS LAST LIMIT 3;";

/// Takes back the wind that never blew.
pub const MEND: &str = "\
UPDATE weather SET wind_speed = NULL
WHERE wind_speed > 200 AND time_hour BETWEEN '2013-02-12 00:00+00' AND '2013-02-13 00:00+00'
RETURNING origin, time_hour, wind_speed;";

const COLDEST: &str = "\
SELECT DISTINCT ON (origin) origin, make_date(year, month, day) AS day,
       round(avg(temp)::numeric, 1) AS mean_f, min(temp) AS lowest_f
FROM weather GROUP BY origin, day, year, month
ORDER BY origin, mean_f;";

const RAIN: &str = "\
SELECT month, round(sum(precip) FILTER (WHERE origin = 'EWR')::numeric, 2) AS ewr,
       round(sum(precip) FILTER (WHERE origin = 'JFK')::numeric, 2) AS jfk,
       round(sum(precip) FILTER (WHERE origin = 'LGA')::numeric, 2) AS lga
FROM weather GROUP BY month ORDER BY month;";

const BLIZZARD: &str = "\
SELECT time_hour, temp, round(wind_speed::numeric, 1) AS mph, visib AS miles FROM weather
WHERE origin = 'JFK' AND time_hour BETWEEN '2013-02-09 00:00+00' AND '2013-02-09 04:00+00'
ORDER BY time_hour;";

const ONE_HOUR: &str = "\
SELECT temp, humid FROM weather WHERE origin = 'LGA' AND time_hour = '2013-07-18 19:00+00';";

const AUTUMN: &str = "\
SELECT to_char(time_hour, 'YYYY-MM') AS month, round(avg(temp)::numeric, 1) AS mean_f
FROM weather WHERE time_hour >= '2013-09-01' AND time_hour < '2013-11-01'
GROUP BY 1 ORDER BY 1;";

const WARMEST: &str = "\
SELECT time_hour, origin, temp FROM weather
WHERE time_hour >= '2013-12-01' ORDER BY temp DESC NULLS LAST LIMIT 1;";

const QUESTIONS: [(&str, &str); 7] = [
    ("The coldest day at each airport?", COLDEST),
    ("The windiest hours?", WINDIEST),
    ("How much rain, month by month, in inches?", RAIN),
    ("How did the blizzard of February come in at JFK?", BLIZZARD),
    ("One hour, by primary key?", ONE_HOUR),
    (
        "September, which is cold, and October, which is hot?",
        AUTUMN,
    ),
    ("The warmest hour of December, which is hot?", WARMEST),
];

/// All answers, each with its lines in order: equals may come in another order another time.
pub fn answers(demo: &Demo) -> Vec<Vec<String>> {
    let ask = |(_, sql): &(&str, &str)| {
        let answer = demo.psql(&["-At"], sql);
        assert!(answer.ok, "{}\nin: {sql}", answer.err);
        let mut lines: Vec<String> = answer.out.lines().map(str::to_string).collect();
        lines.sort();
        lines
    };
    QUESTIONS.iter().map(ask).collect()
}

/// Asks them aloud. `before` are the answers of the time when all chunks were hot.
pub fn ask_all(demo: &Demo, chunks: usize, before: &[Vec<String>]) {
    demo.screen.step("Questions, to hot and cold chunks alike");
    demo.screen.say(
        "Below each answer: what EXPLAIN (ANALYZE) counted. Files are read where they lie, piece by piece; a \
         GET is one such piece, which on S3 is one request. Each question starts with nothing cached.",
    );
    for (question, sql) in QUESTIONS {
        demo.screen.question(question);
        let reads = demo.ask(sql, chunks);
        assert_eq!(
            reads.files() == 0,
            sql == WARMEST,
            "files read for: {question}"
        );
    }
    assert_eq!(answers(demo), before, "an answer has changed");
    demo.screen
        .say("All answers are the same as before, when every chunk was hot.");
}
