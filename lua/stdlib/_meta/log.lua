---@meta log
-- Lines for the message's trail, with a level. Arguments are joined by blanks; a plain table at the end holds
-- fields: log.info("opened", { ticket = 5 }).

---@class log
local log = {}

---@param ... any
function log.debug(...) end

---@param ... any
function log.info(...) end

---@param ... any
function log.warn(...) end

---@param ... any
function log.error(...) end

return log
