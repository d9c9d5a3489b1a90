-- log: lines for the message's trail, with a level and fields. Also the global `log`.
--
--   log.info("ticket", id, "opened")
--   log.warn("no ticket", { sender = message.from, tries = 3 })   -- no ticket sender=a@b.test tries=3
--
-- Arguments are joined by blanks; a plain table at the end holds fields, which are written in the order of
-- their names, quoted where they need it (logfmt). Lines of one message are bounded in all (`log_bytes_max`).
local _, native = ...

local VALUE_BYTES_MAX = 1024

-- As Postern's own log: control bytes and quotes are escaped, UTF-8 passes.
local function quoted(value)
  local text = tostring(value):sub(1, VALUE_BYTES_MAX)
  if text ~= "" and not text:find('[^\33-\126]') and not text:find('["=\\]') then
    return text
  end
  text = text:gsub('["\\]', "\\%0"):gsub("[%z\1-\31\127]", function(c)
    return c == "\n" and "\\n" or ("\\x%02x"):format(c:byte())
  end)
  return '"' .. text .. '"'
end

local function add_fields(texts, fields)
  local names = {}
  for name, value in pairs(fields) do
    name = tostring(name):gsub("[^%w_.-]", "_")
    names[#names + 1] = name .. "=" .. quoted(value)
  end
  table.sort(names)
  for _, field in ipairs(names) do
    texts[#texts + 1] = field
  end
end

local function at(level)
  return function(...)
    local texts, count = { ... }, select("#", ...)
    local fields = texts[count]
    if type(fields) == "table" and getmetatable(fields) == nil then
      texts[count], count = nil, count - 1
    else
      fields = nil
    end
    for i = 1, count do
      texts[i] = tostring(texts[i])
    end
    if fields then
      add_fields(texts, fields)
    end
    native.emit(level, table.concat(texts, " "))
  end
end

return {
  debug = at "debug",
  info = at "info",
  warn = at "warn",
  error = at "error",
}
