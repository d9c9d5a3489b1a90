#include "arc_set.h"

const char *const arc_field_names[ARC_FIELDS] = {"ARC-Authentication-Results",
                                                 "ARC-Message-Signature", "ARC-Seal"};

/* 1*2DIGIT ; 1 to 50 */
static size_t read_instance(struct str text)
{
    uint64_t number = 0;
    if (text.length > 2 || !tag_number(text, &number) || number > ARC_SETS_MAX)
        return 0;
    return (size_t)number;
}

size_t arc_signature_instance(const struct tag_list *tags)
{
    return read_instance(tag_list_value(tags, STR("i")));
}

/* arc-info = instance [CFWS] ";" authres-payload
 * instance = [CFWS] %s"i" [CFWS] "=" [CFWS] instance-val
 * with white space only for CFWS. */
size_t arc_results_instance(struct str *value)
{
    if (str_index(*value, ';') < 0)
        return 0;
    struct str number = str_cut(value, ';');
    struct str name = str_trim(str_cut(&number, '='));
    return str_equal(name, STR("i")) ? read_instance(str_trim(number)) : 0;
}
