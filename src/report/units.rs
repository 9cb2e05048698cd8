//! Sizes, durations and times as people read them.
//!
//! Pure. Figures are rounded to what a reader needs; `report.json` has the exact ones for machines.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Formats a size in bytes: `0 B`, `1023 B`, `3.4 KiB`, `1.0 GiB`.
pub fn format_size(bytes: u64) -> String {
    // `bytesize` prints other figures: 1048575 as `1024.0 KiB`, and a tie to the even digit (1280 as `1.2 KiB`).
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let tenths = |power: u32| (u128::from(bytes) * 10 + (1 << (10 * power - 1))) >> (10 * power);
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].into_iter().zip((1..).map(tenths));
    // The largest unit always fits: 64 bits hold less than 16 EiB.
    let (unit, tenths) = units.into_iter().find(|(_, tenths)| *tenths < 10_240).unwrap_or_default();
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// Formats a duration: `42 ms`, `1.2 s`, `3 min 05 s`, `2 h 03 min`.
pub fn format_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    let (tenths, seconds) = ((ms + 50) / 100, (ms + 500) / 1000);
    // The limits are those of the rounded figures: 95 ms is `0.1 s`, 59.95 s is `1 min 00 s`.
    match seconds {
        _ if ms < 95 => format!("{ms} ms"),
        _ if tenths < 600 => format!("{}.{} s", tenths / 10, tenths % 10),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Formats a duration as a running clock: `00:42`, `1:02:03`.
pub fn format_clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, second) = (seconds / 60, seconds % 60);
    match minutes / 60 {
        0 => format!("{minutes:02}:{second:02}"),
        hours => format!("{hours}:{:02}:{second:02}", minutes % 60),
    }
}

/// Returns the time between two timestamps; zero where the clock was set back between them.
pub fn elapsed(started: Timestamp, ended: Timestamp) -> Duration {
    Duration::try_from(ended.duration_since(started)).unwrap_or_default()
}

/// Formats a timestamp in a time zone: `2026-09-22 23:53:43 +02:00`.
pub fn format_time(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_within_their_unit() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (3482, "3.4 KiB"),
            (1_048_575, "1.0 MiB"),
            (10 * 1024 * 1024, "10.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(format_size(count), text);
        }
    }

    #[test]
    fn durations_keep_two_units_at_most() {
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
            assert_eq!(format_duration(Duration::from_millis(ms)), text, "{ms}");
        }
    }

    #[test]
    fn the_clock_grows_an_hour_when_it_needs_one() {
        assert_eq!(format_clock(Duration::from_secs(42)), "00:42");
        assert_eq!(format_clock(Duration::from_secs(3723)), "1:02:03");
    }

    #[test]
    fn a_clock_set_back_counts_as_zero() {
        let late: Timestamp = "2026-09-22T21:53:43Z".parse().unwrap();
        let early: Timestamp = "2026-09-22T21:53:41Z".parse().unwrap();
        assert_eq!(elapsed(late, early), Duration::ZERO);
        assert_eq!(elapsed(early, late), Duration::from_secs(2));
        assert_eq!(format_time(late, &TimeZone::fixed(jiff::tz::offset(2))), "2026-09-22 23:53:43 +02:00");
    }
}
