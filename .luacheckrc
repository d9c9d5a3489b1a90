-- Scripts run in LuaJIT inside an isolate (DESIGN: the worker).
std = "luajit"
max_line_length = 110
-- Handlers take message, env and ctx whether they use them or not.
unused_args = false
read_globals = { "log" }
-- Annotations for editors: declarations only.
files["lua/stdlib/_meta"] = { ignore = { "1", "2" } }
files["lua/test/_meta"] = { ignore = { "1", "2" } }
-- What `postern test` gives to tests.
files["**/*_test.lua"] = {
  read_globals = {
    "describe", "it", "pending", "before_each", "after_each", "load_worker", "fake",
    assert = { other_fields = true },
  },
}
