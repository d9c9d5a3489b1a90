local check = require "check"
local time = require "time"

return check.worker {
  dates_of_messages_are_read = function()
    check.table(time.parse, {
      { "Thu, 01 Jan 1970 00:00:00 +0000", wanted = 0 },
      { "Fri, 21 Nov 1997 09:55:06 -0600", wanted = 880127706 },
      { "21 Nov 97 09:55 CST", wanted = 880127700 },
      { "Sat,  1 Jan 2000 0:00:00 GMT (a (nested) comment)", wanted = 946684800 },
      { "29 Feb 2024 23:59:60 +0100", wanted = 1709247600 },
      { "1 January 100 00:00 Z", wanted = 946684800 },
      { "Tue, 1 Jul 2003 10:52:37 +0200 (CEST)", wanted = 1057049557 },
      { "Tue, 1-Jul-2003 10:52:37 XYZ", wanted = 1057056757 },
      { "Tue, 1 Jul 03 10:52:37 Eastern Daylight Time", wanted = 1057056757 },
      { "1 Jul 2003 10 : 52 : 37", wanted = 1057056757 },
    })
    check.same({ time.parse "Tue, 1 Jul 2003 10:52:37 -0330" }, { 1057069357, -210 })
  end,

  iso_dates_are_read = function()
    check.table(time.parse, {
      { "1970-01-01", wanted = 0 },
      { "1985-04-12T23:20:50.52Z", wanted = 482196050.52 },
      { "1996-12-19T16:39:57-08:00", wanted = 851042397 },
      { "1996-12-19 16:39", wanted = 851013540 },
      { "19961219T163957Z", wanted = 851013597 },
      { "1996-12-19T16:39:57,5+01", wanted = 851009997.5 },
      { "9999-12-31T23:59:59Z", wanted = 253402300799 },
      { "0001-01-01T00:00:00Z", wanted = -62135596800 },
    })
  end,

  what_is_no_date_is_nil = function()
    for _, text in ipairs { "", "x", "Thu, 32 Jan 1970 00:00:00 +0000", "29 Feb 2023 00:00 Z", "1 Foo 2000 00:00 Z",
      "1 Jan 2000", "1 Jan 2000 24:00 Z", "1 Jan 2000 23:60 Z", "1 Jan 2000 23:00:61 Z", "1 Jan 2000 00:00 +0060",
      "1 Jan 2000 00:00 +01000", "1 Jan 2000 00:00 Z 5", "2000-13-01", "2000-00-10", "2000-02-30", "2000-01-01T25:00Z",
      "2000-01-01T10:00:00.Z", "2000-01-01T10:00 nowhere", "2000-1-1", "0000-01-01", "99999-01-01", "1 Jan 2000 \0",
      ("("):rep(150), ("1 Jan 2000 00:00 Z"):rep(100) } do
      check.same({ text, time.parse(text) }, { text })
    end
    check.fails("time.parse: the text must be a string, got nil", time.parse)
  end,

  times_are_formatted = function()
    check.same(time.formatEmail(880127706, "-0600"), "Fri, 21 Nov 1997 09:55:06 -0600")
    check.same(time.formatEmail(0), "Thu, 01 Jan 1970 00:00:00 +0000")
    check.same(time.formatIso(0.9), "1970-01-01T00:00:00Z")
    check.same(time.formatIso(0, -210), "1969-12-31T20:30:00-03:30")
    check.same(time.formatIso(-62135596800), "0001-01-01T00:00:00Z")
    check.same(time.format("%A %B %e %y %I:%M %p %j %s %D %R%n%%", 1709208000),
      "Thursday February 29 24 12:00 PM 060 1709208000 02/29/24 12:00\n%")
    check.fails("time.format: unknown directive %Q", time.format, "%Q", 0)
    check.fails("time.format: unknown directive %", time.format, "50%", 0)
    check.fails("time.formatIso: the time must be in the years 1 to 9999", time.formatIso, 1e18)
    check.fails("time.formatIso: the time must be in the years 1 to 9999", time.formatIso, 0 / 0)
    check.fails("time.formatIso: the zone must be minutes", time.formatIso, 0, "Mars")
    check.fails("time.formatIso: the zone must be minutes", time.formatIso, 0, 1e9)
    check.fails("time.formatEmail: the time must be a number, got string", time.formatEmail, "now")
  end,

  parts_come_and_go = function()
    check.same(time.parts(1709208000.5, "+0130"), { year = 2024, month = 2, day = 29, hour = 13, minute = 30,
      second = 0.5, weekday = 4, yearday = 60, offset = 90 })
    check.same(time.fromParts { year = 2024, month = 2, day = 29, hour = 13, minute = 30, offset = "+0130" }, 1709208000)
    check.same(time.fromParts { year = 1970 }, 0)
    check.fails("time.fromParts: there is no such date", time.fromParts, { year = 2023, month = 2, day = 29 })
    check.fails("time.fromParts: there is no such date", time.fromParts, { year = 2023, month = 1.5 })
    check.fails("time.fromParts: year must be a number, got nil", time.fromParts, {})
    for at = -62135596800, 253402300799, 86400 * 3671 + 12345 do
      check.same(time.fromParts(time.parts(at)), at)
      check.same(time.parse(time.formatIso(at)), at)
    end
  end,

  times_are_reckoned_with = function()
    local january = time.parse "2024-01-31T10:00:00Z"
    check.same(time.formatIso(time.add(january, { months = 1 })), "2024-02-29T10:00:00Z")
    check.same(time.formatIso(time.add(january, { years = -1, months = 1 })), "2023-02-28T10:00:00Z")
    check.same(time.formatIso(time.add(january, { months = 11, days = 1, hours = -1 })), "2025-01-01T09:00:00Z")
    check.same(time.add(0, { weeks = 1, minutes = 1, seconds = 0.5 }), 604860.5)
    check.same(time.diff(0, 93784), { total = 93784, days = 1, hours = 2, minutes = 3, seconds = 4 })
    check.same(time.diff(60, 0).total, -60)
    check.fails("time.add: unknown unit 'day'", time.add, 0, { day = 1 })
    check.fails("time.add: the time must be in the years", time.add, 0, { years = 9000 })
    check.fails("time.add: the time must be in the years", time.add, 0, { days = 1e300 })
    check.fails("time.add: the time must be in the years", time.add, 0, { months = 0.5 })
    check.same({ time.isLeapYear(2000), time.isLeapYear(1900), time.isLeapYear(2024) }, { true, false, true })
  end,

  it_is_now = function()
    check.same(math.abs(time.now() - os.time()) < 2, true)
  end,
}
