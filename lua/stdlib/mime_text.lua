-- mime_text: what is written in the parts and fields of a message: flowed paragraphs (RFC 3676),
-- calendar entries (RFC 5545, lightly). For the module mime. Both take what comes and are linear in it.

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

return { unflow = unflow, calendar = calendar }
