-- Three ways for mail, by its spam score: straight on, on with a mark, or not at all.
--
--   rules/example.com.yaml:
--     catch_all: {worker: spamgate}
--
--   rules/host.yaml:
--     workers:
--       spamgate: {vars: {OWNER: anna@corp.test, MARK: "2", REFUSE: "4.5"}}
--
--   variables:  OWNER   where mail goes
--               MARK    from this score on it is marked (2)
--               REFUSE  from this score on it is refused (4.5)
return {
  email = function(message, env)
    -- Nil where nothing is scored: then nothing is known against it.
    local score = message.spamScore or 0

    if score >= (tonumber(env.REFUSE) or 4.5) then
      -- A sender who is a person after all gets this from his own server, and can call.
      return message:setReject "this looks like spam; if it is not, please write to us in other words"
    end

    local headers = { ["X-Spam-Score"] = ("%.1f"):format(score) }
    if score >= (tonumber(env.MARK) or 2) then
      headers["X-Spam-Flag"] = "YES" -- what mail programs sort by
    end
    message:forward(env.OWNER or "owner@corp.test", headers)
  end,
}
