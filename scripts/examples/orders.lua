-- Mail to order-<id>@: the rule's pattern finds the number, this finds the right desk.
--
--   rules/example.com.yaml:
--     rules: [{to: '/^order-(?<id>\d+)@/', worker: orders}]
--
--   rules/host.yaml:
--     workers:
--       orders: {vars: {SALES: sales@corp.test, REFUNDS: refunds@corp.test}}
--
--   variables:  SALES   handles orders
--               REFUNDS handles those who want their money back
return {
  email = function(message, env)
    local id = message.captures.id
    if not id then
      return message:setReject "please write to order-<number>, as on your invoice"
    end

    local subject = (message.headers:get "Subject" or ""):lower()
    local desk = env.SALES or "sales@corp.test"
    if subject:find("refund", 1, true) then
      desk = env.REFUNDS or "refunds@corp.test"
    end

    local ok, problem = pcall(message.forward, message, desk, { ["X-Order"] = id })
    if ok then
      return log.info("order", id, "to", desk)
    end
    if type(problem) == "table" and problem.permanent then
      log.warn("order", id, problem.message)
      return message:setReject(("order %s cannot be handled by mail just now"):format(id))
    end
    error(problem, 0) -- passing trouble: the sender's server tries again
  end,
}
