"""Names that VHLO, the versioned form of StableHLO in a module, has for its ops, types, attributes.

A string of a module with another name may be what a custom call calls. Source: stablehlo/dialect/
VhloOps.td, VhloTypes.td, VhloAttrs.td, as in TensorFlow 2.21 (`vhlo.` left out).
"""

from __future__ import annotations

VHLO_NAMES = frozenset(
    (
        "abs_v1 add_v1 after_all_v1 all_gather_v1 all_gather_v2 all_reduce_v1 all_reduce_v2 "
        "all_to_all_v1 all_to_all_v2 and_v1 api_version_v1 array_v1 atan2_v1 "
        "batch_norm_grad_v1 batch_norm_inference_v1 batch_norm_training_v1 bf16_v1 "
        "bitcast_convert_v1 bool_v1 broadcast_in_dim_v1 broadcast_v1 buffer_v1 call_v1 "
        "case_v1 cbrt_v1 cbrt_v2 ceil_v1 cholesky_v1 clamp_v1 collective_broadcast_v1 "
        "collective_permute_v1 compare_v1 comparison_direction_v1 comparison_type_v1 "
        "complex_v1 composite_v1 concatenate_v1 constant_v1 convert_v1 convolution_v1 "
        "cosine_v1 cosine_v2 count_leading_zeros_v1 create_token_v1 custom_call_v1 dict_v1 "
        "divide_v1 dot_general_v1 dot_general_v2 dot_v1 dynamic_broadcast_in_dim_v1 "
        "dynamic_conv_v1 dynamic_conv_v2 dynamic_gather_v1 dynamic_gather_v2 dynamic_iota_v1 "
        "dynamic_pad_v1 dynamic_reshape_v1 dynamic_slice_v1 dynamic_update_slice_v1 einsum_v1 "
        "exponential_minus_one_v1 exponential_minus_one_v2 exponential_v1 exponential_v2 "
        "f16_v1 f32_v1 f64_v1 fft_type_v1 fft_v1 float_v1 floor_v1 func_v1 gather_v1 "
        "gather_v2 get_dimension_size_v1 get_tuple_element_v1 i16_v1 i2_v1 i32_v1 i4_v1 "
        "i64_v1 i8_v1 if_v1 imag_v1 index_v1 infeed_v1 integer_v1 iota_v1 is_finite_v1 "
        "log_plus_one_v1 log_plus_one_v2 log_v1 log_v2 logistic_v1 logistic_v2 map_v1 "
        "maximum_v1 minimum_v1 multiply_v1 negate_v1 none_v1 not_v1 optimization_barrier_v1 "
        "or_v1 outfeed_v1 output_operand_alias_v1 pad_v1 partition_id_v1 popcnt_v1 power_v1 "
        "precision_v1 quant_per_axis_v1 quant_v1 real_dynamic_slice_v1 real_v1 recv_v1 "
        "recv_v2 reduce_precision_v1 reduce_scatter_v1 reduce_v1 reduce_window_v1 "
        "remainder_v1 replica_id_v1 reshape_v1 result_accuracy_mode_v1 result_accuracy_v1 "
        "return_v1 reverse_v1 rng_algorithm_v1 rng_bit_generator_v1 rng_distribution_v1 "
        "rng_v1 round_nearest_afz_v1 round_nearest_even_v1 rsqrt_v1 rsqrt_v2 scatter_v1 "
        "scatter_v2 select_and_scatter_v1 select_v1 send_v1 send_v2 set_dimension_size_v1 "
        "shift_left_v1 shift_right_arithmetic_v1 shift_right_logical_v1 sign_v1 sine_v1 "
        "sine_v2 slice_v1 sort_v1 sqrt_v1 sqrt_v2 string_v1 subtract_v1 tan_v1 tan_v2 tanh_v1 "
        "tanh_v2 tensor_v1 tf31_v1 token_v1 torch_index_select_v1 transpose_v1 "
        "triangular_solve_v1 tuple_v1 type_extensions_v1 type_v1 ui16_v1 ui2_v1 ui32_v1 "
        "ui4_v1 ui64_v1 ui8_v1 unary_einsum_v1 uniform_dequantize_v1 uniform_quantize_v1 "
        "unranked_tensor_v1 while_v1 witness_v1 xor_v1"
    ).split()
)
