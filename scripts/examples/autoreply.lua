-- An out-of-office: passes the mail on to a person and tells the sender so, once per message.
--
--   rules/example.com.yaml:
--     rules: [{to: dora@, worker: autoreply}]
--
--   rules/host.yaml:
--     workers:
--       autoreply: {vars: {OWNER: dora@corp.test, AWAY: "I am away until Monday."}}
--
--   variables:  OWNER   where the mail really goes
--               AWAY    what the sender is told; without it nobody is told anything
return {
  email = function(message, env, ctx)
    message:forward(env.OWNER or "owner@corp.test")

    if not env.AWAY then
      return
    end

    -- The sender need not wait for our answer to him. Postern itself refuses to answer lists, bounces and
    -- other robots (RFC 3834); that is an error here, and not worth more than a line in the log.
    ctx:waitUntil(function()
      local ok, problem = pcall(message.reply, message, { text = env.AWAY .. "\n" })
      if not ok then
        log.info("no reply:", problem)
      end
    end)
  end,
}
