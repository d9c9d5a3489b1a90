-- mime_edit: a message with other header fields and the same body, byte for byte. For the module mime.
--
-- What stays of the header stays as it is written, but for what would make the message malformed (RFC 5322
-- section 3.6): of fields that a message has once the first stays, lines that are too long are folded anew.
local _, native = ...
local address = require "mime_address"
local write = require "mime_field" "mime.edit"

local concat, sort = table.concat, table.sort
local find, gmatch, gsub, lower, match, sub =
  string.find, string.gmatch, string.gsub, string.lower, string.match, string.sub

local LINE_BYTES_MAX = 998

local ADDRESS_FIELDS = { from = "From", sender = "Sender", ["reply-to"] = "Reply-To", to = "To", cc = "Cc" }
local ONCE = {
  from = true, sender = true, ["reply-to"] = true, to = true, cc = true, subject = true, date = true,
  ["message-id"] = true, ["in-reply-to"] = true, references = true,
}

-- These say how the body is to be read.
local function describes_body(key)
  return key == "mime-version" or sub(key, 1, 8) == "content-"
end

-- --- what is asked for ---------------------------------------------------------------------------

-- Tells whether a name (in lower case) is in the list; a final "-" stands for all that begin so.
local function matcher(list, what)
  local names, prefixes = {}, {}
  for i, name in ipairs(write.check(list, "table", what)) do
    name = lower(write.check(name, "string", ("%s[%d]"):format(what, i)))
    if sub(name, -1) == "-" then
      prefixes[#prefixes + 1] = name
    else
      names[name] = true
    end
  end
  return function(key)
    for _, prefix in ipairs(prefixes) do
      if sub(key, 1, #prefix) == prefix then
        return true
      end
    end
    return names[key] or false
  end
end

-- The lines of the new fields, and their names in lower case.
local function new_fields(set)
  local names, keys, lines = {}, {}, {}
  for name in pairs(write.check(set, "table", "set")) do
    write.check_name(name)
    local key = lower(name)
    if describes_body(key) then
      write.fail("the header %s describes the body, which stays as it is", name)
    elseif keys[key] then
      write.fail("the header %s is set twice", key)
    end
    keys[key] = true
    names[#names + 1] = name
  end
  sort(names)
  for _, name in ipairs(names) do
    local addresses = ADDRESS_FIELDS[lower(name)]
    if addresses then
      write.field(lines, addresses, address.write(set[name], addresses))
    else
      write.values(lines, name, set[name])
    end
  end
  return lines, keys
end

local function check_changes(changes)
  for key in pairs(write.check(changes, "table", "the changes")) do
    if key ~= "keep" and key ~= "remove" and key ~= "set" then
      local shown = gsub(sub(tostring(key), 1, 80), "%c", "?")
      write.fail("unknown field '%s'; it takes keep, remove, set", shown)
    end
  end
end

-- --- the header ----------------------------------------------------------------------------------

-- Each field as it stands there: with all its lines.
local function each_field(section)
  local next_line = gmatch(section, "[^\n]*\n?")
  local line = next_line()
  return function()
    if not line or line == "" then
      return nil
    end
    local lines = { line }
    line = next_line()
    while line and find(line, "^[ \t]") do
      lines[#lines + 1], line = line, next_line()
    end
    return match(lines[1], "^([^:]-)[ \t]*:"), lines
  end
end

local function is_too_long(lines)
  for _, line in ipairs(lines) do
    if #line > LINE_BYTES_MAX then
      return true
    end
  end
  return false
end

-- Nothing of a field that cannot be written is any use to anybody.
local function as_written(name, lines)
  local text = concat(lines)
  if is_too_long(lines) then
    text = native.mime_field(name, (gsub(match(text, ":(.*)$"), "[\r\n]", ""))) or ""
  end
  return text
end

local function kept_fields(section, stays)
  local kept, seen = {}, {}
  for name, lines in each_field(section) do
    local key = lower(name)
    if stays(key) and not (seen[key] and (ONCE[key] or describes_body(key))) then
      kept[#kept + 1] = as_written(name, lines)
      seen[key] = true
    end
  end
  local text = concat(kept)
  return (text == "" or sub(text, -1) == "\n") and text or text .. "\r\n"
end

return function(raw, changes)
  write.check(raw, "string", "the message")
  check_changes(changes)
  local lines, is_set = new_fields(changes.set or {})
  local is_kept = changes.keep and matcher(changes.keep, "keep")
  local is_removed = matcher(changes.remove or {}, "remove")
  local node = native.mime_tree(raw)
  local section = sub(raw, node.headerFirst, node.headerLast)
  local kept = kept_fields(section, function(key)
    return describes_body(key) or not is_set[key] and not is_removed(key) and (not is_kept or is_kept(key))
  end)
  return concat(lines) .. kept .. "\r\n" .. sub(raw, node.bodyFirst)
end
