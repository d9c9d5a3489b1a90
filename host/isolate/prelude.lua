-- What every script finds beside the bindings in C: the functions that wait, coroutines through which
-- waiting passes, text-only load, require, print. Runs once, before the script; `native` is for the
-- prelude and the stdlib only.
-- luacheck: ignore 121 122 (it replaces globals: that is its task)
local native = ...

local WAIT, raise, emit = native.WAIT, native.raise, native.emit
local create, resume, yield = coroutine.create, coroutine.resume, coroutine.yield
local concat, find = table.concat, string.find
local error, pcall, select, setmetatable, tostring, type = error, pcall, select, setmetatable, tostring, type

-- The argument checks of the stdlib: an error at the script's line that says what is wanted.
function native.check(what, value, wanted)
  if type(value) ~= wanted then
    raise(what .. " must be a " .. wanted .. ", got " .. type(value))
  end
  return value
end

-- A function of a string that keeps what `make` gave for the last `max` of them; more arguments go to `make`.
function native.remembering(max, make)
  local entries, count, clock = {}, 0, 0
  local function drop_oldest()
    local oldest
    for key, entry in next, entries do
      if not oldest or entry.used < entries[oldest].used then
        oldest = key
      end
    end
    entries[oldest], count = nil, count - 1
  end
  return function(key, ...)
    local entry = entries[key]
    if not entry then
      entry = { value = make(...) }
      if count == max then
        drop_oldest()
      end
      entries[key], count = entry, count + 1
    end
    clock = clock + 1
    entry.used = clock
    return entry.value
  end
end

getmetatable("").__metatable = "the metatable of strings is locked"

-- --- waiting -------------------------------------------------------------------------------------

-- A waiting call yields WAIT to the loop in C, which sends the request and resumes with the answer.
-- Coroutines that a script makes itself stand in between: whoever resumes one hands a WAIT on, and the
-- answer back, so that message:forward() means the same wherever it is called.
local function passed(co, ok, first, ...)
  if ok and first == WAIT then
    native.check_can_wait()
    return passed(co, resume(co, yield(WAIT)))
  end
  return ok, first, ...
end

local function unwrapped(ok, ...)
  if not ok then
    error((...), 0)
  end
  return ...
end

function coroutine.resume(co, ...)
  return passed(co, resume(co, ...))
end

function coroutine.wrap(fn)
  local co = create(fn)
  return function(...)
    return unwrapped(passed(co, resume(co, ...)))
  end
end

coroutine.running = native.running

local failure = {
  __metatable = "error",
  __tostring = function(self)
    local text = tostring(self.message)
    return self.where ~= "" and self.where .. ": " .. text or text
  end,
}

-- The answer to a waiting call: its result, or an error table.
local function settle(call, ok, answer)
  if ok then
    return answer
  end
  answer.call = call
  answer.where = native.place()
  error(setmetatable(answer, failure), 0)
end

native.settle = settle

local message = native.message_methods

function message.forward(...)
  return settle("forward", native.wait_forward(...))
end

function message.reply(self, reply)
  if type(reply) == "table" and reply.attachments ~= nil then
    reply = native.require("mime_reply")(self, reply)
  end
  return settle("reply", native.wait_reply(self, reply))
end

local parsed = setmetatable({}, { __mode = "k" })

-- The message as a tree (lua/stdlib/mime.lua), made once.
function message.parse(self)
  native.check_message(self)
  parsed[self] = parsed[self] or native.require("mime").parse(self.raw)
  return parsed[self]
end

-- --- loading -------------------------------------------------------------------------------------

local function read_all(reader)
  local pieces = {}
  while true do
    local piece = reader()
    if piece == nil or piece == "" then
      return concat(pieces)
    end
    if type(piece) ~= "string" then
      raise("load: the reader must return strings, got " .. type(piece))
    end
    pieces[#pieces + 1] = piece
  end
end

function load(chunk, name, mode, ...)
  if type(chunk) == "function" then
    chunk, name = read_all(chunk), name or "=(load)"
  elseif type(chunk) ~= "string" then
    raise("load: the chunk must be a string or a function, got " .. type(chunk))
  end
  if mode ~= nil and not find(mode, "t", 1, true) then
    return nil, "load: only text is loaded here"
  end
  return native.load_text(chunk, name or chunk, ...)
end

function loadstring(text, name)
  return load(text, name)
end

local loaded, is_loading = {}, {}

function require(name)
  if type(name) ~= "string" then
    raise("require: the module's name must be a string, got " .. type(name))
  end
  if loaded[name] ~= nil then
    return loaded[name]
  end
  if is_loading[name] then
    raise("require: module '" .. name .. "' is required again while it is still loading")
  end
  local chunk, extra = native.load_module(name)
  is_loading[name] = true
  local ok, module = pcall(chunk, name, extra)
  is_loading[name] = nil
  if not ok then
    error(module, 0)
  end
  loaded[name] = module == nil or module
  return loaded[name]
end

native.require = require
native.load_bindings()
native.load_events()

-- --- the rest ------------------------------------------------------------------------------------

function print(...)
  local texts = { ... }
  for i = 1, select("#", ...) do
    texts[i] = tostring(texts[i])
  end
  emit("info", concat(texts, "\t"))
end

function collectgarbage(option)
  if option ~= "count" then
    raise('collectgarbage: only "count" is offered; garbage is collected by itself')
  end
  return native.count()
end

log = require "log"
