-- log: lines for the message's trail, with a level. Also the global `log`.
--
--   log.info("ticket", id, "opened")
--
-- Arguments are joined by blanks. Lines of one message are bounded in all (`log_bytes_max`).
local _, native = ...

local function at(level)
  return function(...)
    local texts = { ... }
    for i = 1, select("#", ...) do
      texts[i] = tostring(texts[i])
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
