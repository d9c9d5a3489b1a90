#include "cli/run_request.h"

#include <errno.h>

#include "cli/json.h"
#include "http/worker_request.h"

#define HOST STR("worker.test")

int trial_request_add_field(struct trial_request *request, struct str name,
                            struct str value, struct arena *arena, struct err *err)
{
    if (!http_is_token(name) || !http_is_value(value))
        return err_set(err, -EINVAL, "\"%.*s\" is no header", STR_ARG(name));
    if (request->field_count == TRIAL_FIELDS_MAX)
        return err_set(err, -E2BIG, "more than %d headers", TRIAL_FIELDS_MAX);
    request->fields[request->field_count++] =
        (struct http_field){arena_text(arena, name), arena_str(arena, str_trim(value))};
    return 0;
}

int trial_request_add_line(struct trial_request *request, struct str line,
                           struct arena *arena, struct err *err)
{
    struct str value = line, name = str_cut(&value, ':');
    if (name.length == line.length)
        return err_set(err, -EINVAL, "\"%.*s\" is no header; one is written Name: value",
                       STR_ARG(line));
    return trial_request_add_field(request, name, value, arena, err);
}

/* What a server would make of it. */
static int make_head(const struct trial_request *request, struct arena *arena,
                     struct http_head *head, struct http_client_view *client,
                     struct err *err)
{
    struct str target = request->target;
    *head = (struct http_head){.method = request->method, .host = HOST};
    client->is_https = str_starts_nocase(target, STR("https://"));
    if (client->is_https || str_starts_nocase(target, STR("http://"))) {
        struct str rest = str_from(target, client->is_https ? 8 : 7);
        ptrdiff_t slash = str_index(rest, '/');
        size_t length = slash < 0 ? rest.length : (size_t)slash;
        head->host = str_part(rest, 0, length);
        target = slash < 0 ? STR("/") : str_from(rest, length);
    }
    head->target = target;
    head->fields = arena_array(arena, struct http_field, TRIAL_FIELDS_MAX + 1);
    head->fields[head->field_count++] = (struct http_field){"Host", head->host};
    for (size_t i = 0; i < request->field_count; i++)
        head->fields[head->field_count++] = request->fields[i];
    if (!http_is_token(head->method) || target.length == 0 || target.at[0] != '/')
        return err_set(err, -EINVAL, "\"%.*s %.*s\" is no request; one is POST /hooks/x",
                       STR_ARG(request->method), STR_ARG(request->target));
    if (net_address_parse(request->ip.length ? request->ip : STR("127.0.0.1"), 0,
                          &client->address) < 0)
        return err_set(err, -EINVAL, "the client's ip \"%.*s\" is not an address",
                       STR_ARG(request->ip));
    return 0;
}

static json_t *json_response(const struct http_server_response *response)
{
    json_t *headers = json_array();
    for (size_t i = 0; i < response->field_count; i++)
        json_array_append_new(
            headers, json_pack("{s:o, s:o}", "name",
                               cli_json_bytes(str_of(response->fields[i].name)), "value",
                               cli_json_bytes(response->fields[i].value)));
    return json_pack("{s:i, s:o, s:o}", "status", (int)response->status, "headers", headers,
                     "body", cli_json_bytes(response->body));
}

json_t *trial_run_request(struct trial *trial, const struct trial_request *request,
                          struct worker_outcome *outcome, struct err *err)
{
    struct arena *arena = trial->message->arena;
    struct http_head head;
    struct http_server_request http = {
        .arena = arena, .head = &head, .body = request->body};
    struct http_worker_request asked = {
        .config = trial->config, .worker = trial->worker, .http = &http};
    if (make_head(request, arena, &head, &asked.client, err) < 0)
        return NULL;
    const struct worker_event event = {WORKER_FETCH, http_worker_event(&asked, arena)};
    json_t *report = trial_run_event(trial, &event, outcome);
    struct http_server_response response;
    const char *why = NULL;
    http_worker_respond(outcome, arena, &response, &why);
    json_object_set_new(report, "response", json_response(&response));
    return report;
}
