-- postern test: runs the tests of one file, one after the other, each when the host asks for it.
--
-- A test file runs in an isolate of its own, as a worker does: loading it collects its tests, and then each
-- `it` is one message to this worker (host/cli/test_session.c). So each has the limits of a message, a test
-- that hangs is killed alone, and what is tested is not in here: load_worker(name):email(...) asks the host,
-- which hands the message to the real worker in its real isolate, and tells what came of it.
-- luacheck: ignore 111 113 121 (it gives test files their globals)
local host = require "test.host"
local fake = require "test.fake"

local concat, error, ipairs, pcall, tonumber, type = table.concat, error, ipairs, pcall, tonumber, type

local tests = {}
local outermost = { names = {}, before = {}, after = {} }
local block = outermost

local function must_be(what, value, wanted)
  if type(value) ~= wanted then
    error(("%s must be a %s, got %s"):format(what, wanted, type(value)), 3)
  end
end

-- A block within another begins with what the outer one has.
local function inner(outer, name)
  local new = {
    names = { unpack(outer.names) },
    before = { unpack(outer.before) },
    after = { unpack(outer.after) },
  }
  new.names[#new.names + 1] = name
  return new
end

function describe(name, fn)
  must_be("describe: the name", name, "string")
  must_be("describe: its tests", fn, "function")
  local outer = block
  block = inner(outer, name)
  fn()
  block = outer
end

-- Without a function it is a test yet to be written.
function it(name, fn)
  must_be("it: the name", name, "string")
  if fn ~= nil then
    must_be("it: the test", fn, "function")
  end
  tests[#tests + 1] = { name = concat(inner(block, name).names, " "), block = block, fn = fn }
end

function pending(name)
  it(name)
end

function before_each(fn)
  must_be("before_each: the argument", fn, "function")
  table.insert(block.before, fn)
end

function after_each(fn)
  must_be("after_each: the argument", fn, "function")
  table.insert(block.after, 1, fn)
end

assert = require "test.assert"
load_worker = require "test.worker"
_G.fake = fake

local function list()
  local names = {}
  for i, test in ipairs(tests) do
    names[i] = { name = test.name, isPending = test.fn == nil }
  end
  host.ask { ask = "list", tests = names }
end

-- By its name: where a file makes tests in the order of pairs(), numbers are others in another isolate.
local function find(number, name)
  if tests[number] and tests[number].name == name then
    return tests[number]
  end
  for _, test in ipairs(tests) do
    if test.name == name then
      return test
    end
  end
  error(("there is no test '%s' any more: name tests alike each time the file is loaded"):format(name), 0)
end

-- What fails first is told; after_each runs in any case.
local function run(test)
  fake.now(nil)
  local ok, problem = pcall(function()
    for _, before in ipairs(test.block.before) do
      before()
    end
    test.fn()
  end)
  for _, after in ipairs(test.block.after) do
    local is_fine, trouble = pcall(after)
    if ok and not is_fine then
      ok, problem = false, trouble
    end
  end
  if not ok then
    error(problem, 0)
  end
end

return function(file)
  require(file)
  return {
    email = function(message)
      host.message = message
      local wanted = message.captures
      if wanted.name then
        run(find(tonumber(wanted.number), wanted.name))
      else
        list()
      end
    end,
  }
end
