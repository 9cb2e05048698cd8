//! Bytes, lengths of time and moments as people read them.
//!
//! Pure. Rounded to what an eye needs; machines read the exact figures in `report.json`.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// `0 B`, `1023 B`, `3.4 KiB`, `1.0 GiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let count = u128::from(count);
    let mut unit = 1024_u128;
    let mut tenths = (count * 10 + unit / 2) / unit;
    let mut names = UNITS.iter();
    let mut name = names.next().copied().unwrap_or_default();
    while tenths >= 10_240 {
        let Some(next) = names.next() else { break };
        name = next;
        unit *= 1024;
        tenths = (count * 10 + unit / 2) / unit;
    }
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

/// `42 ms`, `1.2 s`, `3 min 05 s`, `2 h 03 min`.
pub fn duration(length: Duration) -> String {
    let ms = length.as_millis();
    let (tenths, seconds) = ((ms + 50) / 100, (ms + 500) / 1000);
    match seconds {
        _ if ms < 95 => format!("{ms} ms"),
        _ if tenths < 600 => format!("{}.{} s", tenths / 10, tenths % 10),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A running clock: `00:42`, `1:02:03`.
pub fn clock(length: Duration) -> String {
    let seconds = length.as_secs();
    let (minutes, second) = (seconds / 60, seconds % 60);
    match minutes / 60 {
        0 => format!("{minutes:02}:{second:02}"),
        hours => format!("{hours}:{:02}:{second:02}", minutes % 60),
    }
}

/// The time from one moment to another; zero where the clock was set back between them.
pub fn between(begun: Timestamp, ended: Timestamp) -> Duration {
    Duration::try_from(ended.duration_since(begun)).unwrap_or_default()
}

/// A moment by the given time zone's clock: `2026-09-22 23:53:43 +02:00`.
pub fn moment(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_rounded_within_their_unit() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (3482, "3.4 KiB"),
            (1_048_575, "1.0 MiB"),
            (10 * 1024 * 1024, "10.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn durations_keep_two_figures_that_matter() {
        for (ms, text) in [
            (0, "0 ms"),
            (94, "94 ms"),
            (95, "0.1 s"),
            (1_249, "1.2 s"),
            (59_949, "59.9 s"),
            (59_950, "1 min 00 s"),
            (185_000, "3 min 05 s"),
            (3_599_600, "1 h 00 min"),
            (7_380_000, "2 h 03 min"),
        ] {
            assert_eq!(duration(Duration::from_millis(ms)), text, "{ms}");
        }
    }

    #[test]
    fn the_clock_grows_an_hour_when_it_needs_one() {
        assert_eq!(clock(Duration::from_secs(42)), "00:42");
        assert_eq!(clock(Duration::from_secs(3723)), "1:02:03");
    }

    #[test]
    fn a_clock_set_back_is_no_time() {
        let late: Timestamp = "2026-09-22T21:53:43Z".parse().unwrap();
        let early: Timestamp = "2026-09-22T21:53:41Z".parse().unwrap();
        assert_eq!(between(late, early), Duration::ZERO);
        assert_eq!(between(early, late), Duration::from_secs(2));
        assert_eq!(moment(late, &TimeZone::fixed(jiff::tz::offset(2))), "2026-09-22 23:53:43 +02:00");
    }
}
