-- assert, as Lua has it, and what it says in tests: assert.equal(expected, actual[, why]). Errors are raised
-- at the test's line.
local show = require "test.show"

local error, ipairs, pcall, select, setmetatable, tostring, type =
  error, ipairs, pcall, select, setmetatable, tostring, type

local assert = {}

-- Called by an assertion that the test has called.
local function fail(why, text)
  error((why and tostring(why) .. ": " or "") .. text, 3)
end

function assert.equal(expected, actual, why)
  if expected ~= actual then
    fail(why, "the values are not equal\n" .. show.contrast(expected, actual))
  end
end

function assert.not_equal(unexpected, actual, why)
  if unexpected == actual then
    fail(why, "the values are equal: " .. show.value(actual))
  end
end

-- In depth.
function assert.same(expected, actual, why)
  if #show.differences(expected, actual) > 0 then
    fail(why, "the values are not the same\n" .. show.contrast(expected, actual))
  end
end

function assert.not_same(unexpected, actual, why)
  if #show.differences(unexpected, actual) == 0 then
    fail(why, "the values are the same: " .. show.value(actual))
  end
end

function assert.is_true(value, why)
  if value ~= true then
    fail(why, "expected true, got " .. show.value(value))
  end
end

function assert.is_false(value, why)
  if value ~= false then
    fail(why, "expected false, got " .. show.value(value))
  end
end

function assert.is_nil(value, why)
  if value ~= nil then
    fail(why, "expected nil, got " .. show.value(value))
  end
end

function assert.is_not_nil(value, why)
  if value == nil then
    fail(why, "expected a value, got nil")
  end
end

-- A Lua pattern.
function assert.matches(pattern, text, why)
  if type(text) ~= "string" or not text:find(pattern) then
    fail(why, ("expected a text that matches %s\n  got: %s"):format(show.value(pattern), show.value(text)))
  end
end

function assert.not_matches(pattern, text, why)
  if type(text) == "string" and text:find(pattern) then
    fail(why, ("expected no text that matches %s\n  got: %s"):format(show.value(pattern), show.value(text)))
  end
end

-- A text in a text, or an item, in depth, in a list.
function assert.contains(part, whole, why)
  local is_there = type(whole) == "string" and whole:find(part, 1, true) ~= nil
  for _, item in ipairs(type(whole) == "table" and whole or {}) do
    is_there = is_there or #show.differences(part, item) == 0
  end
  if not is_there then
    fail(why, ("expected something that contains %s\n  got: %s"):format(show.value(part), show.value(whole)))
  end
end

-- With a text: one that the error's text contains.
function assert.has_error(fn, text, why)
  local ok, problem = pcall(fn)
  if ok then
    fail(why, "expected an error, and there was none")
  end
  if text ~= nil and not tostring(problem):find(text, 1, true) then
    fail(why, ("expected an error that says %s\n  got: %s"):format(show.value(text), tostring(problem)))
  end
end

function assert.has_no_error(fn, why)
  local ok, problem = pcall(fn)
  if not ok then
    fail(why, "expected no error, got: " .. tostring(problem))
  end
end

return setmetatable(assert, {
  __call = function(_, ...)
    if not (...) then
      error(select("#", ...) > 1 and tostring((select(2, ...))) or "assertion failed!", 2)
    end
    return ...
  end,
  __index = function(_, name)
    error(("there is no assert.%s"):format(tostring(name)), 2)
  end,
})
