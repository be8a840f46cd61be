"""Ops whose names sound as if they touched files, hosts or networks, and which were looked at.

They work on tensors, resources and datasets that others have opened, or call functions of the
graph, which are looked at on their own.
"""

HARMLESS = frozenset(
    """
    AnonymousIterator AnonymousIteratorV2 AnonymousIteratorV3 AnonymousMemoryCache
    AnonymousMultiDeviceIterator AnonymousMultiDeviceIteratorV3 AssertCardinalityDataset
    AssertNextDataset AssertPrevDataset AudioSummary AudioSummaryV2 AutoShardDataset
    BarrierReadySize BatchDataset BatchDatasetV2 BoostedTreesExampleDebugOutputs
    BoostedTreesMakeStatsSummary BytesProducedStatsDataset ChooseFastestBranchDataset
    ChooseFastestDataset CloseSummaryWriter CollectivePermute CollateTPUEmbeddingMemory
    ConcatenateDataset ConfigureTPUEmbedding ConfigureTPUEmbeddingHost
    ConfigureTPUEmbeddingMemory CopyHost CustomAggregator DatasetCardinality DatasetFingerprint
    DatasetToGraph DatasetToGraphV2 DatasetToSingleElement DebugGradientIdentity
    DebugGradientRefIdentity DebugNumericSummaryV2 DeleteIterator DeleteMemoryCache
    DeleteMultiDeviceIterator DeleteRpcFutureResource DenseToSparseBatchDataset
    DeserializeIterator DirectedInterleaveDataset DisableCopyOnRead ExecuteTPUEmbeddingPartitioner
    ExperimentalAssertNextDataset ExperimentalAutoShardDataset
    ExperimentalBytesProducedStatsDataset ExperimentalChooseFastestDataset
    ExperimentalDatasetCardinality ExperimentalDenseToSparseBatchDataset
    ExperimentalDirectedInterleaveDataset ExperimentalGroupByReducerDataset
    ExperimentalGroupByWindowDataset ExperimentalIgnoreErrorsDataset
    ExperimentalIteratorGetDevice ExperimentalLatencyStatsDataset
    ExperimentalMapAndBatchDataset ExperimentalMapDataset
    ExperimentalMaxIntraOpParallelismDataset ExperimentalNonSerializableDataset
    ExperimentalParallelInterleaveDataset ExperimentalParseExampleDataset
    ExperimentalPrivateThreadPoolDataset ExperimentalRandomDataset ExperimentalRebatchDataset
    ExperimentalScanDataset ExperimentalSetStatsAggregatorDataset
    ExperimentalSlidingWindowDataset ExperimentalStatsAggregatorSummary
    ExperimentalTakeWhileDataset ExperimentalThreadPoolDataset ExperimentalUnbatchDataset
    ExperimentalUniqueDataset FilterByLastComponentDataset FilterDataset FinalizeDataset
    FlatMapDataset FlushSummaryWriter GeneratorDataset GlobalShuffleDataset
    GroupByReducerDataset GroupByWindowDataset HistogramSummary HostConst IdentityReader
    IdentityReaderV2 IgnoreErrorsDataset ImageSummary IndexFlatMapDataset
    InitializeTableFromDataset InterleaveDataset Iterator IteratorFromStringHandle
    IteratorFromStringHandleV2 IteratorGetDevice IteratorGetModelProto IteratorGetNext
    IteratorGetNextAsOptional IteratorGetNextSync IteratorToStringHandle IteratorV2
    LatencyStatsDataset LegacyParallelInterleaveDatasetV2 ListDataset
    LoadAllTPUEmbeddingParameters MakeIterator MapAndBatchDataset MapDataset
    MaxIntraOpParallelismDataset MergeSummary ModelDataset MultiDeviceIterator
    MultiDeviceIteratorFromStringHandle MultiDeviceIteratorGetNextFromShard
    MultiDeviceIteratorInit MultiDeviceIteratorToStringHandle NonSerializableDataset
    OneShotIterator OptimizeDataset OptimizeDatasetV2 OptionsDataset PaddedBatchDataset
    PaddedBatchDatasetV2 ParallelBatchDataset ParallelFilterDataset ParallelInterleaveDataset
    ParallelInterleaveDatasetV2 ParallelInterleaveDatasetV3 ParallelInterleaveDatasetV4
    ParallelMapDataset ParallelMapDatasetV2 ParseExampleDataset ParseExampleDatasetV2
    PrefetchDataset PrivateThreadPoolDataset RandomDataset RandomDatasetV2 RangeDataset
    ReadVariableOp ReadVariableXlaSplitND ReaderNumRecordsProduced ReaderNumRecordsProducedV2
    ReaderNumWorkUnitsCompleted ReaderNumWorkUnitsCompletedV2 ReaderRead ReaderReadUpTo
    ReaderReadUpToV2 ReaderReadV2 ReaderReset ReaderResetV2 ReaderRestoreState
    ReaderRestoreStateV2 ReaderSerializeState ReaderSerializeStateV2 RebatchDataset
    RebatchDatasetV2 RecvTPUEmbeddingActivations ReduceDataset RepeatDataset RewriteDataset
    RngReadAndSkip RpcCheckStatus RpcGetValue SamplingDataset ScalarSummary ScanDataset
    SendTPUEmbeddingGradients SerializeIterator SetStatsAggregatorDataset ShardDataset
    ShardedFilename ShardedFilespec ShuffleAndRepeatDataset ShuffleAndRepeatDatasetV2
    ShuffleDataset ShuffleDatasetV2 ShuffleDatasetV3 SkipDataset SlidingWindowDataset Snapshot
    SparseTensorSliceDataset StatsAggregatorSetSummaryWriter StatsAggregatorSummary
    SummaryWriter TPUCompilationResult TPUCompileSucceededAssert TakeDataset TakeWhileDataset
    TensorArrayRead TensorArrayReadV2 TensorArrayReadV3 TensorArrayWrite TensorArrayWriteV2
    TensorArrayWriteV3 TensorDataset TensorSliceDataset TensorSummary TensorSummaryV2
    ThreadPoolDataset UnbatchDataset UniqueDataset UnwrapDatasetVariant
    WeightedFlatMapDataset WindowDataset WrapDatasetVariant XlaRecvTPUEmbeddingActivations
    XlaRecvTPUEmbeddingActivationsV2 XlaRecvTPUEmbeddingDeduplicationData
    XlaRecvTPUEmbeddingDeduplicationDataV2 XlaSendTPUEmbeddingGradients
    XlaSendTPUEmbeddingGradientsV2 ZipDataset _ConfigureTPUEmbeddingHost
    _ConfigureTPUEmbeddingMemory _CopyFromGpuToHost _CopyFromHostToGpu
    _ExecuteTPUEmbeddingPartitioner _FinalizeTPUEmbeddingSystemConfiguration _HostCast
    _NcclBroadcastRecv _NcclBroadcastSend _NcclReduceRecv _NcclReduceSend _ReadVariablesOp
    _TPUCompileMlirPlaceholderProgramKey _XlaCompileMlirPlaceholderProgramKey
    """.split()
)
# All of these, by their beginnings: parameters of embeddings to and from accelerators.
HARMLESS_BEGINNINGS = ("LoadTPUEmbedding", "RetrieveTPUEmbedding")
