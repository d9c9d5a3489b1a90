-- A clock that stands still, in a test and in the workers that it runs.
-- luacheck: ignore 122 (it replaces functions of os: that is its task)
local time = require "time"
local os_time, os_date = os.time, os.date

return function(now)
  function os.time(date)
    return date and os_time(date) or now
  end

  function os.date(format, at)
    return os_date(format, at or now)
  end

  function time.now()
    return now
  end
end
