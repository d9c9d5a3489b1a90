---@meta time
-- Dates as messages and programs write them. A time is the seconds since 1970.

---Minutes east of UTC, "+0100", "+01:00", "Z", or a name of RFC 5322 such as "EST". Default: UTC.
---@alias Zone integer|string

---@class TimeParts
---@field year integer
---@field month integer
---@field day integer
---@field hour integer
---@field minute integer
---@field second number
---@field weekday integer 0 is Sunday.
---@field yearday integer 1 is January 1.
---@field offset integer Minutes east of UTC.

---What lacks is the first of the year, and midnight in UTC.
---@class TimeToMake
---@field year integer
---@field month? integer
---@field day? integer
---@field hour? integer
---@field minute? integer
---@field second? number
---@field offset? Zone

---@class TimeAmounts
---@field years? integer
---@field months? integer
---@field weeks? number
---@field days? number
---@field hours? number
---@field minutes? number
---@field seconds? number

---@class time
local time = {}

---Seconds since 1970, with their fraction.
---@return number
function time.now() end

---Reads RFC 5322, obsolete forms too, and ISO 8601. Nil for what is neither, or no date there is.
---@param text string
---@return number? seconds
---@return integer? offset Minutes east of UTC, as written.
function time.parse(text) end

---@param seconds number
---@param zone? Zone
---@return TimeParts
function time.parts(seconds, zone) end

---@param parts TimeToMake
---@return number
function time.fromParts(parts) end

---As strftime: %Y %y %m %d %e %H %I %M %S %p %j %a %A %b %B %z %s %F %T %R %D %n %%.
---@param pattern string
---@param seconds number
---@param zone? Zone
---@return string
function time.format(pattern, seconds, zone) end

---As the Date field of a message has it.
---@param seconds number
---@param zone? Zone
---@return string
function time.formatEmail(seconds, zone) end

---RFC 3339, in whole seconds.
---@param seconds number
---@param zone? Zone
---@return string
function time.formatIso(seconds, zone) end

---Years and months first: a month after January 31 is the last of February.
---@param seconds number
---@param amounts TimeAmounts
---@return number
function time.add(seconds, amounts) end

---`total` is in seconds and may be negative; the others are its size.
---@param from number
---@param to number
---@return { total: number, days: integer, hours: integer, minutes: integer, seconds: number }
function time.diff(from, to) end

---@param year integer
---@return boolean
function time.isLeapYear(year) end

return time
