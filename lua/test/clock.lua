-- A clock that stands still, in a test and in the workers that it runs.
-- luacheck: ignore 122 (it replaces functions of os: that is its task)
local os_time, os_date = os.time, os.date

return function(now)
  function os.time(date)
    return date and os_time(date) or now
  end

  function os.date(format, time)
    return os_date(format, time or now)
  end
end
