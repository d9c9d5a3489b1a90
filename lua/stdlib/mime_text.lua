-- mime_text: what is written in the parts and fields of a message: flowed paragraphs (RFC 3676), dates
-- (RFC 5322 section 3.3), calendar entries (RFC 5545, lightly). For the module mime. Every function takes
-- what comes and is linear in it.

local find, sub, gsub, gmatch, match = string.find, string.sub, string.gsub, string.gmatch, string.match
local concat = table.concat

-- --- format=flowed -------------------------------------------------------------------------------

-- Paragraphs in one line each. `text` has LF line ends; `is_delsp`: the blank at a flowed line's end goes.
local function unflow(text, is_delsp)
  local out, open_depth = {}, nil
  local ends_with_newline = sub(text, -1) == "\n"
  for line in gmatch(ends_with_newline and text or text .. "\n", "([^\n]*)\n") do
    local quotes, rest = match(line, "^(>*) ?(.*)$")
    local is_signature = rest == "-- "
    local is_flowed = sub(rest, -1) == " " and not is_signature
    local shown = is_flowed and is_delsp and sub(rest, 1, -2) or rest
    if open_depth == #quotes and not is_signature then
      out[#out + 1] = shown
    else
      out[#out + 1] = (#out > 0 and "\n" or "") .. (quotes ~= "" and quotes .. " " or "") .. shown
    end
    open_depth = is_flowed and #quotes or nil
  end
  return concat(out) .. (ends_with_newline and "\n" or "")
end

-- --- dates ---------------------------------------------------------------------------------------

local DATE_BYTES_MAX = 200

local months = {}
for name in gmatch("jan feb mar apr may jun jul aug sep oct nov dec", "%a+") do
  months[#months + 1] = name
  months[name] = #months
end

local zones = {
  EST = -300, EDT = -240, CST = -360, CDT = -300, MST = -420, MDT = -360, PST = -480, PDT = -420,
}

local function zone_minutes(zone)
  local sign, hours, minutes = match(zone, "^([+-])(%d%d)(%d%d)$")
  if not sign then
    return zones[zone:upper()] or 0
  end
  return (sign == "-" and -1 or 1) * (tonumber(hours) * 60 + tonumber(minutes))
end

-- Days since 1970 of a date in the Gregorian calendar.
local function days(year, month, day)
  local y = month <= 2 and year - 1 or year
  local m = (month + 9) % 12
  return 365 * y + math.floor(y / 4) - math.floor(y / 100) + math.floor(y / 400)
    + math.floor((153 * m + 2) / 5) + day - 719469
end

local function full_year(year)
  local number = tonumber(year)
  if #year >= 4 then
    return number
  end
  return number + (#year == 2 and number < 50 and 2000 or 1900)
end

-- Seconds since 1970, or nil.
local function date(value)
  value = gsub(sub(value, 1, DATE_BYTES_MAX), "%b()", " ")
  local day, month, year, hour, minute, second, zone =
    match(value, "(%d%d?)[%s-]+(%a%a%a)%a*[%s-]+(%d%d%d?%d?)%s+(%d%d?)[:.](%d%d)[:.]?(%d*)%s*([+-]?%w*)")
  month = month and months[month:lower()]
  if not month then
    return nil
  end
  day, hour, minute, second = tonumber(day), tonumber(hour), tonumber(minute), tonumber(second) or 0
  if day < 1 or day > 31 or hour > 24 or minute > 59 or second > 60 then
    return nil
  end
  return ((days(full_year(year), month, day) * 24 + hour) * 60 + minute - zone_minutes(zone)) * 60 + second
end

-- --- calendars -----------------------------------------------------------------------------------

-- The name, parameters and value of a content line, whose parameters may hold quoted colons.
local function content_line(line)
  local name, at = match(line, "^([%w-]+)()")
  local first, is_quoted = at, false
  while at do
    at = find(line, '[":]', at)
    if at and sub(line, at, at) == ":" and not is_quoted then
      return name:upper(), sub(line, first, at - 1), sub(line, at + 1)
    end
    is_quoted = is_quoted ~= (at ~= nil and sub(line, at, at) == '"')
    at = at and at + 1
  end
  return nil
end

local escapes = { n = "\n", N = "\n" }

local function unescaped(value)
  return (gsub(value, "\\(.)", function(c)
    return escapes[c] or c
  end))
end

local event_keys = {
  UID = "uid", SUMMARY = "summary", DTSTART = "dtstart", DTEND = "dtend", ORGANIZER = "organizer",
  LOCATION = "location", STATUS = "status",
}

-- The method, and what the first event says: { method, uid, summary, dtstart, dtend, timezone, organizer,
-- location, status }, each as written, or nil where it is not.
local function calendar(text)
  local found, is_event = {}, false
  for line in gmatch(gsub(text, "\n[ \t]", "") .. "\n", "([^\n]*)\n") do
    local name, parameters, value = content_line(line)
    local key = is_event and event_keys[name]
    if name == "METHOD" and not is_event then
      found.method = found.method or value:upper()
    elseif name == "BEGIN" and value:upper() == "VEVENT" then
      is_event = true
    elseif name == "END" and is_event and value:upper() == "VEVENT" then
      break
    elseif key and found[key] == nil then
      found[key] = unescaped(value)
      if key == "dtstart" then
        found.timezone = match(parameters, ';[Tt][Zz][Ii][Dd]="?([^";]+)')
      elseif key == "organizer" then
        found.organizer = gsub(found.organizer, "^[Mm][Aa][Ii][Ll][Tt][Oo]:", "")
      end
    end
  end
  return found
end

return { unflow = unflow, date = date, calendar = calendar }
