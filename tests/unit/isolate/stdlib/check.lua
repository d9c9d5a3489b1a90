-- What the tests of the stdlib's modules share: a worker whose message runs them all, and says nothing but
-- what is wrong.
local check = {}

local function shown(value)
  if type(value) ~= "table" then
    return type(value) == "string" and ("%q"):format(value) or tostring(value)
  end
  local parts = {}
  for key, item in pairs(value) do
    parts[#parts + 1] = tostring(key) .. "=" .. shown(item)
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ", ") .. "}"
end

check.shown = shown

function check.same(there, wanted)
  if shown(there) ~= shown(wanted) then
    error("got " .. shown(there) .. "\n  not " .. shown(wanted), 2)
  end
end

-- The function raises an error whose text, after its place in the script, begins so.
function check.fails(wanted, fn, ...)
  local ok, problem = pcall(fn, ...)
  local text = tostring(problem):match("^[%w_/]+%.lua:%d+: (.*)")
  if ok or not text or text:sub(1, #wanted) ~= wanted then
    error("got " .. (ok and "no error" or tostring(problem)) .. "\n  not " .. wanted, 2)
  end
end

-- { { argument, …, wanted = result }, … } through one function.
function check.table(fn, cases)
  for i, case in ipairs(cases) do
    local result = fn(unpack(case, 1, table.maxn(case)))
    if shown(result) ~= shown(case.wanted) then
      error(("case %d: got %s\n  not %s"):format(i, shown(result), shown(case.wanted)), 2)
    end
  end
end

-- { [text of the error] = argument or list of them, … }
function check.refused(fn, cases)
  for wanted, given in pairs(cases) do
    for _, argument in ipairs(type(given) == "table" and given or { given }) do
      check.fails(wanted, fn, argument)
    end
  end
end

function check.worker(tests)
  return {
    email = function(message, env)
      for name, test in pairs(tests) do
        local ok, problem = pcall(test, message, env)
        if not ok then
          print(name .. ": " .. tostring(problem))
        end
      end
    end,
  }
end

return check
