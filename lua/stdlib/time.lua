-- time: dates as messages and programs write them. A time is the seconds since 1970, as os.time() gives them.
--
--   local sent = time.parse "Thu, 01 Jan 2026 10:00:00 +0100"     -- or "2026-01-01T10:00:00+01:00"
--   time.formatIso(time.now())                                    -- 2026-11-22T09:10:11Z
--   time.format("%d.%m.%Y %H:%M", sent, "+0100")
--   time.add(sent, { months = 1, days = -1 })
--
-- Zones are offsets: minutes east of UTC, "+0100", "+01:00", "Z" or a name of RFC 5322 such as "EST". Years
-- are 1 to 9999.
local _, native = ...

local check, raise = native.check, native.raise
local find, floor, gsub, lower, match, sub, upper =
  string.find, math.floor, string.gsub, string.lower, string.match, string.sub, string.upper

local TEXT_BYTES_MAX = 200
local YEAR_MAX = 9999
local MINUTES_MAX = 24 * 60

local time = { now = native.now }

local month_names = { "January", "February", "March", "April", "May", "June", "July", "August", "September",
  "October", "November", "December" }
local day_names = { [0] = "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" }

local month_numbers = {}
for number, name in ipairs(month_names) do
  month_numbers[lower(sub(name, 1, 3))] = number
end

-- RFC 5322 section 4.3; the military letters other than Z mean nothing.
local zone_names = {
  UT = 0, GMT = 0, UTC = 0, Z = 0, EST = -300, EDT = -240, CST = -360, CDT = -300, MST = -420, MDT = -360,
  PST = -480, PDT = -420,
}

-- --- calendar --------------------------------------------------------------------------------------

local function is_leap(year)
  return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
end

local month_days = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function days_in(year, month)
  return month == 2 and is_leap(year) and 29 or month_days[month]
end

-- Days since 1970 of a date in the Gregorian calendar: years are counted from March.
local function days_of(year, month, day)
  local y = month <= 2 and year - 1 or year
  local m = (month + 9) % 12
  return 365 * y + floor(y / 4) - floor(y / 100) + floor(y / 400) + floor((153 * m + 2) / 5) + day - 719469
end

local function date_of(days)
  local z = days + 719468
  local era = floor(z / 146097)
  local day_of_era = z - era * 146097
  local year_of_era = floor((day_of_era - floor(day_of_era / 1460) + floor(day_of_era / 36524)
    - floor(day_of_era / 146096)) / 365)
  local day_of_year = day_of_era - (365 * year_of_era + floor(year_of_era / 4) - floor(year_of_era / 100))
  local m = floor((5 * day_of_year + 2) / 153)
  local month = m < 10 and m + 3 or m - 9
  return year_of_era + era * 400 + (month <= 2 and 1 or 0), month, day_of_year - floor((153 * m + 2) / 5) + 1
end

local first_time, last_time = days_of(1, 1, 1) * 86400, days_of(YEAR_MAX + 1, 1, 1) * 86400

-- Nil for what is no time of day.
local function seconds_of(year, month, day, hour, minute, second, offset)
  local is_good = year >= 1 and year <= YEAR_MAX and month >= 1 and month <= 12 and day >= 1
    and day <= days_in(year, month) and hour < 24 and minute < 60 and second < 61
  return is_good and ((days_of(year, month, day) * 24 + hour) * 60 + minute - offset) * 60 + second or nil
end

-- --- zones -----------------------------------------------------------------------------------------

-- Minutes east of UTC, or nil.
local function offset_of(text)
  local sign, hours, minutes = match(text, "^([+-])(%d%d):?(%d%d)$")
  if not sign then
    return zone_names[upper(text)]
  elseif tonumber(minutes) > 59 then
    return nil
  end
  return (sign == "-" and -1 or 1) * (hours * 60 + minutes)
end

local function check_offset(call, zone)
  local offset = zone or 0
  if type(offset) == "string" then
    offset = offset_of(offset)
  end
  if type(offset) ~= "number" or offset % 1 ~= 0 or math.abs(offset) >= MINUTES_MAX then
    raise(call .. ': the zone must be minutes east of UTC, or as "+0100", "Z" or "EST"')
  end
  return offset
end

local function check_time(call, seconds)
  check(call .. ": the time", seconds, "number")
  if not (seconds >= first_time and seconds < last_time) then
    raise(call .. ": the time must be in the years 1 to 9999")
  end
  return seconds
end

-- --- parsing ---------------------------------------------------------------------------------------

local function full_year(digits)
  local year = tonumber(digits)
  if #digits == 2 then
    return year + (year < 50 and 2000 or 1900)
  end
  return #digits == 3 and year + 1900 or year
end

-- [ day-name "," ] day month year hour ":" minute [ ":" second ] zone, with comments
local function parse_mail(text)
  text = gsub(text, "%b()", " ")
  local day, name, year, rest =
    match(text, "^%s*%a*%.?,?%s*(%d%d?)[%s-]+(%a%a%a)%a*[%s-]+(%d%d%d?%d?)%s+(.*)$")
  local hour, minute, after = match(rest or "", "^(%d%d?)%s*:%s*(%d%d)(.*)$")
  local month = month_numbers[lower(name or "")]
  if not (hour and month) then
    return nil
  end
  local second, tail = match(after, "^%s*:%s*(%d%d)(.*)$")
  local zone = match(tail or after, "^%s*([+-]?%w*)[%a%s]*$")
  if not zone then
    return nil
  end
  -- An unknown zone is UTC (RFC 5322 section 4.3); so is none.
  local offset = offset_of(zone) or not find(zone, "%d") and 0
  return offset and seconds_of(full_year(year), month, tonumber(day), tonumber(hour), tonumber(minute),
    tonumber(second or 0), offset), offset
end

-- RFC 3339, and what of ISO 8601 is common besides: no time, no seconds, no zone (UTC), the basic form.
local function parse_iso(text)
  local year, month, day, rest = match(text, "^%s*(%d%d%d%d)%-(%d%d)%-(%d%d)(.*)$")
  if not year then
    year, month, day, rest = match(text, "^%s*(%d%d%d%d)(%d%d)(%d%d)(.*)$")
  end
  if not year then
    return nil
  end
  local hour, minute, tail = match(rest, "^[Tt ](%d%d):?(%d%d)(.*)$")
  if not hour and find(rest, "%S") then
    return nil
  end
  local second, fraction, zone = match(tail or "", "^:?(%d%d)([.,]?%d*)(.*)$")
  zone = match(zone or tail or "", "^%s*(%S*)%s*$")
  local offset = zone and (zone == "" and 0 or offset_of(#zone == 3 and zone .. "00" or zone))
  if not offset or fraction == "." or fraction == "," then
    return nil
  end
  local seconds = seconds_of(tonumber(year), tonumber(month), tonumber(day), tonumber(hour or 0),
    tonumber(minute or 0), tonumber(second or 0), offset)
  return seconds and seconds + tonumber("0" .. gsub(fraction or "", ",", ".") .. "0"), offset
end

-- The time and its offset in minutes; nil for what is neither form, or no date there is.
function time.parse(text)
  check("time.parse: the text", text, "string")
  if #text > TEXT_BYTES_MAX then
    return nil
  end
  local seconds, offset = parse_iso(text)
  if not seconds then
    seconds, offset = parse_mail(text)
  end
  if seconds then
    return seconds, offset
  end
  return nil
end

-- --- parts -----------------------------------------------------------------------------------------

local function parts_of(seconds, offset)
  local here = seconds + offset * 60
  local days = floor(here / 86400)
  local year, month, day = date_of(days)
  local second = here - days * 86400
  return {
    year = year, month = month, day = day, hour = floor(second / 3600), minute = floor(second / 60) % 60,
    second = second % 60, weekday = (days + 4) % 7, yearday = days - days_of(year, 1, 1) + 1, offset = offset,
  }
end

-- { year, month, day, hour, minute, second, weekday (0 Sunday), yearday, offset }
function time.parts(seconds, zone)
  return parts_of(check_time("time.parts", seconds), check_offset("time.parts", zone))
end

local part_defaults = { month = 1, day = 1, hour = 0, minute = 0, second = 0 }

-- The time of such parts; month, day and the time of day have defaults.
function time.fromParts(parts)
  check("time.fromParts: the parts", parts, "table")
  local given = { year = check("time.fromParts: year", parts.year, "number") }
  for name, default in pairs(part_defaults) do
    given[name] = check("time.fromParts: " .. name, parts[name] or default, "number")
  end
  local seconds = given.month % 1 == 0 and seconds_of(given.year, given.month, given.day, given.hour,
    given.minute, given.second, check_offset("time.fromParts", parts.offset))
  if not seconds then
    raise("time.fromParts: there is no such date")
  end
  return seconds
end

-- --- formatting ------------------------------------------------------------------------------------

local function offset_text(offset, between)
  local size = math.abs(offset)
  return ("%s%02d%s%02d"):format(offset < 0 and "-" or "+", floor(size / 60), between, size % 60)
end

local function two(name)
  return function(parts)
    return ("%02d"):format(floor(parts[name]))
  end
end

local directives = {
  Y = function(parts) return ("%04d"):format(parts.year) end,
  y = function(parts) return ("%02d"):format(parts.year % 100) end,
  m = two "month", d = two "day", H = two "hour", M = two "minute", S = two "second",
  e = function(parts) return ("%2d"):format(parts.day) end,
  I = function(parts) return ("%02d"):format((parts.hour + 11) % 12 + 1) end,
  p = function(parts) return parts.hour < 12 and "AM" or "PM" end,
  j = function(parts) return ("%03d"):format(parts.yearday) end,
  a = function(parts) return sub(day_names[parts.weekday], 1, 3) end,
  A = function(parts) return day_names[parts.weekday] end,
  b = function(parts) return sub(month_names[parts.month], 1, 3) end,
  B = function(parts) return month_names[parts.month] end,
  z = function(parts) return offset_text(parts.offset, "") end,
  s = function(parts) return ("%.0f"):format(floor(parts.seconds)) end,
  n = function() return "\n" end,
  ["%"] = function() return "%" end,
}
local shorthands = { F = "%Y-%m-%d", T = "%H:%M:%S", R = "%H:%M", D = "%m/%d/%y" }

-- As strftime: %Y %y %m %d %e %H %I %M %S %p %j %a %A %b %B %z %s %F %T %R %D %n %%.
function time.format(pattern, seconds, zone)
  check("time.format: the pattern", pattern, "string")
  local parts = parts_of(check_time("time.format", seconds), check_offset("time.format", zone))
  parts.seconds = seconds
  pattern = gsub(pattern, "%%(.?)", function(letter)
    return shorthands[letter]
  end)
  return (gsub(pattern, "%%(.?)", function(letter)
    local directive = directives[letter]
    if not directive then
      raise("time.format: unknown directive %" .. letter)
    end
    return directive(parts)
  end))
end

-- As the Date field of a message has it (RFC 5322).
function time.formatEmail(seconds, zone)
  check_time("time.formatEmail", seconds)
  return time.format("%a, %d %b %Y %T %z", seconds, check_offset("time.formatEmail", zone))
end

-- RFC 3339, in whole seconds.
function time.formatIso(seconds, zone)
  check_time("time.formatIso", seconds)
  local offset = check_offset("time.formatIso", zone)
  return time.format("%FT%T", seconds, offset) .. (offset == 0 and "Z" or offset_text(offset, ":"))
end

-- --- reckoning -------------------------------------------------------------------------------------

local unit_seconds = { weeks = 604800, days = 86400, hours = 3600, minutes = 60, seconds = 1 }

local function add_months(seconds, months)
  local parts = parts_of(seconds, 0)
  local count = parts.year * 12 + parts.month - 1 + months
  local year, month = floor(count / 12), count % 12 + 1
  if months % 1 ~= 0 or not (year >= 1 and year <= YEAR_MAX) then
    raise("time.add: the time must be in the years 1 to 9999, years and months must be whole")
  end
  local day = math.min(parts.day, days_in(year, month))
  return seconds + (days_of(year, month, day) - days_of(parts.year, parts.month, parts.day)) * 86400
end

-- Years and months first: a month after January 31 is the last of February.
function time.add(seconds, amounts)
  check_time("time.add", seconds)
  check("time.add: the amounts", amounts, "table")
  local months, sum = 0, 0
  for unit, amount in pairs(amounts) do
    check("time.add: " .. tostring(unit), amount, "number")
    if unit == "years" or unit == "months" then
      months = months + amount * (unit == "years" and 12 or 1)
    elseif unit_seconds[unit] then
      sum = sum + amount * unit_seconds[unit]
    else
      raise(("time.add: unknown unit '%s'; it takes years, months, weeks, days, hours, minutes, seconds")
        :format(tostring(unit)))
    end
  end
  return check_time("time.add", add_months(seconds, months) + sum)
end

-- How far apart two times are; `total` is in seconds, and negative when `to` is the earlier.
function time.diff(from, to)
  check_time("time.diff", from)
  local total = check_time("time.diff", to) - from
  local left = math.abs(total)
  return {
    total = total, days = floor(left / 86400), hours = floor(left / 3600) % 24,
    minutes = floor(left / 60) % 60, seconds = left % 60,
  }
end

function time.isLeapYear(year)
  return is_leap(check("time.isLeapYear: the year", year, "number"))
end

return time
