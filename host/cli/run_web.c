/* What a trial has servers on the web say. */
#include <errno.h>

#include "cli/json.h"
#include "cli/run_trial.h"
#include "mail/header.h"
#include "net/http_client.h"

#define FIELDS_BYTES_MAX ((size_t)64 * 1024)
#define STATUS_OK        200

static struct str text_of(const json_t *object, const char *key)
{
    const json_t *text = json_object_get(object, key);
    return (struct str){json_string_value(text), json_string_length(text)};
}

static json_t *json_request(const struct binding *binding,
                            const struct http_request *request)
{
    json_t *headers = json_object();
    for (size_t i = 0; i < request->field_count; i++)
        json_object_set_new(headers, request->fields[i].name,
                            cli_json_bytes(request->fields[i].value));
    return json_pack("{s:o, s:s, s:o, s:o, s:o}", "binding", cli_json_bytes(binding->name),
                     "method", request->method, "url", cli_json_bytes(str_of(request->url)),
                     "headers", headers, "body", cli_json_bytes(request->body));
}

/* What a method and a URL are answered with, or else the URL alone; NULL: nothing. */
static json_t *find_answer(const json_t *web, const struct binding *binding,
                           const struct http_request *request, struct arena *arena)
{
    const json_t *answers = json_object_get(web, arena_text(arena, binding->name));
    json_t *answer = json_object_get(
        answers, arena_printf(arena, "%s %s", request->method, request->url));
    return answer ? answer : json_object_get(answers, request->url);
}

static int write_fields(json_t *headers, struct buf *out, struct err *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(headers, name, value)
    {
        if (header_append(out, str_of(name), text_of(headers, name)) < 0)
            return err_set(err, -EINVAL, "the header %s cannot be in an answer", name);
    }
    return 0;
}

int trial_fetch(void *arg, const struct binding *binding,
                const struct http_request *request, struct arena *arena,
                struct http_response *response, struct err *err)
{
    struct trial_web *web = arg;
    json_array_append_new(web->fetches, json_request(binding, request));
    json_t *answer = find_answer(web->answers, binding, request, arena);
    web->unanswered_count += !answer;
    if (!answer)
        return err_set(err, -EIO, "nobody answers %s %s in this trial", request->method,
                       request->url);
    json_t *status = json_object_get(answer, "status");
    struct buf fields;
    buf_init(&fields, FIELDS_BYTES_MAX);
    int result = write_fields(json_object_get(answer, "headers"), &fields, err);
    response->status = status ? (unsigned)json_integer_value(status) : STATUS_OK;
    response->body = arena_str(arena, text_of(answer, "body"));
    response->fields = arena_str(arena, buf_view(&fields));
    buf_free(&fields);
    return result;
}
