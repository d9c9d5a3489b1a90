local check = require "check"

-- Lines are what it is for, so nothing here may log: what log says is tested by test_stdlib.c.
return check.worker {
  the_module_is_the_global = function()
    check.same(require "log" == log, true)
  end,
}
